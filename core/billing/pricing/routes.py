"""GET /billing/price-books."""

from fastapi import APIRouter

from core.billing.pricing import repository
from core.billing.pricing.rating import RateCard
from core.billing.pricing.schemas import ModelPriceAnswer, PriceBookAnswer
from core.foundation.schemas import Page
from core.identity.scope import Reading

router = APIRouter(prefix="/billing", tags=["billing"])


@router.get("/price-books", summary="What tokens cost, by model and version")
async def list_price_books(scope: Reading) -> Page[PriceBookAnswer]:
    async with scope.reading() as unit:
        cards = await repository.list_rate_cards(unit.session, unit.tenant_id)
    return Page(data=[_shown(card) for card in cards])


def _shown(card: RateCard) -> PriceBookAnswer:
    return PriceBookAnswer(
        version=card.version,
        currency=card.currency,
        effective_from=card.effective_from,
        source=card.source,
        owner="tenant" if card.is_own else "installation",
        prices=[
            ModelPriceAnswer(
                model=model,
                input_per_million=str(rates.input_per_million),
                cached_per_million=str(rates.cached_per_million),
                output_per_million=str(rates.output_per_million),
            )
            for model, rates in card.models.items()
        ],
    )
