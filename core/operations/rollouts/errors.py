"""What stops a rollout.

RolloutError
├── UnknownStack          unknown_stack          there is no Pulumi.STACK.yaml, or it names no cloud
├── ToolMissing           tool_missing           a command that is needed is not installed
├── StackNotInitialised   stack_not_initialised  Pulumi's state knows no stack of that name
├── RolloutRunning        rollout_running        somebody else works on the stack
├── NothingToResume       nothing_to_resume
├── InvalidRollout        invalid_rollout        options that do not go together
├── ProgramRefused        program_refused        the program cannot be recorded with this configuration
├── PoliciesBroken        policies_broken
├── PulumiFailed          pulumi_failed
├── SmokeFailed           smoke_failed
├── NotTold               not_told               the webhook did not take the notice
└── NotConfirmed          not_confirmed
"""

from core.foundation.errors import CloudBillError


class RolloutError(CloudBillError):
    """Base of what stops a rollout; the sentence says how to go on."""

    code = "rollout_error"


class UnknownStack(RolloutError):
    """No such stack file, or one that says too little."""

    code = "unknown_stack"


class ToolMissing(RolloutError):
    """A command is not there."""

    code = "tool_missing"


class StackNotInitialised(RolloutError):
    """Pulumi has no state for it."""

    code = "stack_not_initialised"


class RolloutRunning(RolloutError):
    """Two at a time would undo each other."""

    code = "rollout_running"


class NothingToResume(RolloutError):
    """The last one ended well, or there was none."""

    code = "nothing_to_resume"


class InvalidRollout(RolloutError):
    """Options that exclude each other, or of the wrong form."""

    code = "invalid_rollout"


class ProgramRefused(RolloutError):
    """The configuration or the program is wrong; nothing was created."""

    code = "program_refused"


class PoliciesBroken(RolloutError):
    """A rule is broken; nothing was created."""

    code = "policies_broken"


class PulumiFailed(RolloutError):
    """Pulumi ended with an error; what it had made stays, and the next run goes on from there."""

    code = "pulumi_failed"


class SmokeFailed(RolloutError):
    """It runs, and does not do what it should."""

    code = "smoke_failed"


class NotTold(RolloutError):
    """Whoever wanted to be told was not."""

    code = "not_told"


class NotConfirmed(RolloutError):
    """Nobody said yes."""

    code = "not_confirmed"
