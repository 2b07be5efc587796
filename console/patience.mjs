// React Router gives each page it renders at build ten seconds and has no setting for it: too few on a busy machine.
const timeout = AbortSignal.timeout;
AbortSignal.timeout = (milliseconds) => timeout.call(AbortSignal, 12 * milliseconds);
