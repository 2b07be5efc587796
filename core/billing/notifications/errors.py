"""What the notifications room refuses."""

from core.foundation.errors import CloudBillError, Conflict, NotFound


class TemplateUnknown(NotFound):
    """No text of that name."""

    code = "template_unknown"
    title = "No such template"


class TemplateInvalid(CloudBillError):
    """A text that would not render when it is needed."""

    status = 422
    code = "template_invalid"
    title = "The template does not render"

    def __init__(self, template: str, part: str, line: int | None, problem: str) -> None:
        where = f"{template}, {part}" + (f", line {line}" if line else "")
        super().__init__(f"{where}: {problem}", template=template, part=part, line=line)


class MessageNotFound(NotFound):
    """No such message in this tenant."""

    code = "message_not_found"
    title = "No such message"

    def __init__(self) -> None:
        super().__init__("The tenant has no such message.")


class MessageNotResendable(Conflict):
    """It was sent, or will be."""

    code = "message_not_resendable"
    title = "The message cannot be sent again"

    def __init__(self, state: str) -> None:
        super().__init__(
            f"The message is {state}. Only one that failed, was skipped, or may have been lost on the way (uncertain) "
            "can be sent again."
        )


class OptOutRefused(CloudBillError):
    """What nobody may opt out of."""

    status = 422
    code = "opt_out_refused"
    title = "Nobody can opt out of this"


class UnsubscribeInvalid(CloudBillError):
    """A link that we did not make."""

    status = 400
    code = "unsubscribe_invalid"
    title = "The link does not hold"

    def __init__(self) -> None:
        super().__init__("The link is not one of ours, or was cut off. Take it from the mail once more.")
