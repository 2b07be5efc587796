import { useEffect, useRef } from "react";

// Calls back every so many seconds while somebody is looking, and at once when they come back to the tab.
export function Ticker({ seconds, onTick }) {
  const tick = useRef(onTick);
  tick.current = onTick;
  useEffect(() => {
    if (!seconds) return undefined;
    let last = Date.now();
    const call = () => {
      if (document.visibilityState !== "visible") return;
      if (Date.now() - last < seconds * 900) return;
      last = Date.now();
      tick.current?.();
    };
    const timer = setInterval(call, seconds * 1000);
    document.addEventListener("visibilitychange", call);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", call);
    };
  }, [seconds]);
  return null;
}
