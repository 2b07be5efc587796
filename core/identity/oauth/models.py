"""With which accounts elsewhere a user may sign in. Read before a tenant is known, hence through functions only."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

PROVIDERS = ("google", "github")


class UserIdentity(Table):
    """`subject` is the provider's own, unchanging id of the account; an e-mail there may change hands.

    `registered`: the user was made by this identity and knows no password.
    """

    __tablename__ = "user_identities"
    __table_args__ = (
        CheckConstraint(one_of("provider", PROVIDERS), name="provider"),
        CheckConstraint("length(subject) BETWEEN 1 AND 255", name="subject"),
        UniqueConstraint("user_id", "provider"),
    )

    provider: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    registered: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
