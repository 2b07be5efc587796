"""Sign-ins, their refresh tokens and the keys that sign access tokens. Wall clock only; reached through functions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table


class SignIn(Table):
    """A family of refresh tokens: reuse of an old one revokes it whole."""

    __tablename__ = "sign_ins"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    tenant_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]
    revoked_because: Mapped[str | None]


class RefreshToken(Table):
    """One refresh token by the hash of it; used once."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index(None, "sign_in_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sign_in_id: Mapped[UUID] = mapped_column(ForeignKey("sign_ins.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    issued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SigningKey(Table):
    """An RS256 key pair; the private half is encrypted under the installation's key."""

    __tablename__ = "signing_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    public_pem: Mapped[str]
    private_pem_encrypted: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    signs_until: Mapped[datetime | None]
    verifies_until: Mapped[datetime | None]
