import { useEffect } from "react";

// Asks the server for the page anew: a socket keeps the cookie it was opened with, a request carries today's.
export function Reload() {
  useEffect(() => window.location.reload(), []);
  return null;
}
