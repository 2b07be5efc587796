"""What can be wrong when a program is recorded."""


class RecordingError(Exception):
    """The stack cannot be recorded; the text says why and what to do."""

    code = "recording_failed"


class UnknownStack(RecordingError):
    """No stack file has this name."""

    code = "unknown_stack"


class InvalidStackFile(RecordingError):
    """A stack file cannot be read."""

    code = "invalid_stack_file"


class InvalidResource(RecordingError):
    """The engine or the provider would refuse this resource: its name, a key of its inputs, or a missing one."""

    code = "invalid_resource"


class UnexpectedLookup(RecordingError):
    """The program asks the cloud for something that is known only with credentials."""

    code = "unexpected_lookup"


class ProgramFailed(RecordingError):
    """The program itself ended with an error."""

    code = "program_failed"
