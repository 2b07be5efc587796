"""Installation users: made on the server, as the owner of the database, and in no other way."""

from typing import Literal

import psycopg

from core.foundation.errors import Conflict
from core.foundation.ids import new_id
from core.identity.users.emails import fold_email
from core.identity.users.passwords import check_password, hash_password_now

Outcome = Literal["created", "exists"]


class UserExists(Conflict):
    """The e-mail belongs to somebody."""

    code = "user_exists"
    title = "The user exists"

    def __init__(self, what: str) -> None:
        super().__init__(f"There is a user by that e-mail already, {what}. Choose another e-mail.")


def create_installation_user(owner_url: str, *, email: str, role: str, password: str, if_missing: bool) -> Outcome:
    """Makes an operator or a finance user of the installation; raises UserExists, PasswordRefused, ValueError."""
    folded = fold_email(email)
    check_password(password, about=(folded,))
    with psycopg.connect(owner_url, connect_timeout=10) as connection:
        found = connection.execute("SELECT installation_role FROM users WHERE email = %s", [folded]).fetchone()
        if found is not None:
            if if_missing and found[0] == role:
                return "exists"
            raise UserExists(f"with the role {found[0]} in the installation" if found[0] else "of a tenant")
        connection.execute(
            "INSERT INTO users (id, email, password_hash, installation_role) VALUES (%s, %s, %s, %s)",
            [new_id(), folded, hash_password_now(password), role],
        )
    return "created"
