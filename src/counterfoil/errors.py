"""Every refusal, each with a stable code and what to do next.

Three kinds that a caller must never confuse:

- `AuthError`: the answer is no.
- `Unavailable`: the answer cannot be known now (over HTTP 503, never 401, never anonymous).
- `ConfigurationError`: the set-up cannot work; raised while it is built, not later.

No text here may hold a credential: details name what was wrong, never the value that was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class CounterfoilError(Exception):
    """The root of every error that Counterfoil raises on purpose."""

    code: ClassVar[str] = "error"
    next_step: ClassVar[str] = ""

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        super().__init__(detail or self.next_step)


class ConfigurationError(CounterfoilError):
    """The set-up is wrong; the text says in one sentence what to change."""

    code = "configuration"
    next_step = "Change the configuration."


class AuthError(CounterfoilError):
    """The answer is no."""

    code = "refused"


class Unavailable(CounterfoilError):
    """The answer cannot be known now; ask again after `retry_after`."""

    code = "unavailable"

    def __init__(self, detail: str = "", *, retry_after: timedelta | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


# What was sent cannot be read.


class Malformed(AuthError):
    code = "malformed"
    next_step = "Correct the request and send it again; nothing was changed."


class TooLarge(AuthError):
    code = "too_large"
    next_step = "Send less; nothing was changed."


class ClientUnknown(AuthError):
    code = "client_unknown"
    next_step = "Use the client_id of a registered client."


# The credential does not pass.


class CredentialMissing(AuthError):
    code = "credential_missing"
    next_step = "Sign in and present the credential."


class CredentialMalformed(AuthError):
    code = "credential_malformed"
    next_step = "Present the credential exactly as it was issued."


class SignatureMismatch(AuthError):
    code = "signature_mismatch"
    next_step = "Present the credential exactly as it was issued, or sign in again."


class KeyUnknown(AuthError):
    code = "key_unknown"
    next_step = "Refresh or sign in again: the signing key is not, or no longer, trusted."


class CredentialExpired(AuthError):
    code = "credential_expired"
    next_step = "Refresh, or sign in again."


class WrongIssuer(AuthError):
    code = "wrong_issuer"
    next_step = "Present a credential of this issuer."


class WrongAudience(AuthError):
    code = "wrong_audience"
    next_step = "Present a credential issued for this audience."


class SessionUnknown(AuthError):
    code = "session_unknown"
    next_step = "Sign in."


class SessionRevoked(AuthError):
    code = "session_revoked"
    next_step = "Sign in again."


class SessionExpired(AuthError):
    code = "session_expired"
    next_step = "Sign in again."


class ClaimsStale(AuthError):
    code = "claims_stale"
    next_step = "Refresh: the claims changed since this credential was issued."


class RefreshUnknown(AuthError):
    code = "refresh_unknown"
    next_step = "Present the newest refresh handle of this client, or sign in again."


class RefreshReused(AuthError):
    code = "refresh_reused"
    next_step = "Sign in again: a spent handle was used after its grace, so the session was ended."


class SignInRefused(AuthError):
    code = "sign_in_refused"
    next_step = "Check the identifier and the password."


class ClientRefused(AuthError):
    """A program did not prove that it is the client it says it is."""

    code = "client_refused"
    next_step = "Check the client_id and the secret: `counterfoil clients secret` makes a new one."


# Known, but not allowed.


class Forbidden(AuthError):
    code = "forbidden"
    next_step = "Use an account with the role that this needs, or a client that may do it."


class CrossSite(AuthError):
    code = "cross_site"
    next_step = "Send the request from the site itself."


class RegistrationClosed(AuthError):
    code = "registration_closed"
    next_step = "Ask an administrator for an account."


class StepUpRequired(AuthError):
    code = "step_up_required"
    next_step = "Confirm the password, then repeat the request."


class SubjectSuspended(AuthError):
    code = "subject_suspended"
    next_step = "Ask an administrator to reinstate the account."


# The thing asked for is not there, or is in the way.


class NotFound(AuthError):
    code = "not_found"
    next_step = "Check the address, or list what there is and use an id from there."


class ClaimsTooLarge(AuthError):
    """More is said of the subject than a credential can carry."""

    code = "claims_too_large"
    next_step = "Say less of the subject, such as fewer or shorter roles; then try again."


class IdentifierTaken(AuthError):
    code = "identifier_taken"
    next_step = "Choose another identifier."


class NotRevocable(AuthError):
    """Nothing can end this credential before `expires_at`."""

    code = "not_revocable"
    next_step = "Wait until it expires, or use a store: without one there is nothing to revoke."

    def __init__(self, detail: str = "", *, expires_at: datetime) -> None:
        super().__init__(detail)
        self.expires_at = expires_at


class KeyTooNew(AuthError):
    """The next key has not been published long enough to sign (see `keys.PUBLISH_AHEAD`)."""

    code = "key_too_new"
    next_step = "Rotate again at available_at, or distrust the active key if it is compromised."

    def __init__(self, detail: str = "", *, available_at: datetime) -> None:
        super().__init__(detail)
        self.available_at = available_at


class PasswordRefused(AuthError):
    code = "password_refused"
    next_step = "Choose another password."


class TooManyAttempts(AuthError):
    """Wait for `retry_after`; sessions that are already signed in are not affected."""

    code = "too_many_attempts"
    next_step = "Wait, then try again; devices that are signed in are not affected."

    def __init__(self, detail: str = "", *, retry_after: timedelta) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


# It cannot be known now.


class StatusStale(Unavailable):
    code = "status_stale"
    next_step = "Ask again shortly: this verifier does not know the newest revocations."


class KeysStale(Unavailable):
    code = "keys_stale"
    next_step = "Ask again shortly: the issuer's keys could not be fetched for too long."


class StoreUnavailable(Unavailable):
    code = "store_unavailable"
    next_step = "Ask again shortly: the store does not answer."


class RestoreUndeclared(StoreUnavailable):
    """The store is older than it once was: somebody put a copy back, and what was revoked since may
    live in it. Nothing is answered from it until that is declared, which ends all sessions."""

    next_step = "Run `counterfoil restore --declare`: it ends all sessions, and all goes on."


class IssuerUnavailable(Unavailable):
    code = "issuer_unavailable"
    next_step = "Ask again shortly: the issuer does not answer."


class Overloaded(Unavailable):
    code = "overloaded"
    next_step = "Ask again shortly: too much is waiting."
