import { useEffect } from "react";

import { keepTyped } from "./typed.js";

// Asks the server for the page anew: a socket keeps the cookie it was opened with, a request carries today's.
export function Reload({ email }) {
  useEffect(() => {
    keepTyped(email);
    window.location.reload();
  }, []);
  return null;
}
