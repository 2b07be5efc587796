import { useEffect } from "react";

const DIALOGS = "[role=dialog], [role=alertdialog]";

// A dialog has the keyboard as long as it is open, and whoever closes it is where they were before: ours are opened by
// the page's state, not by a button of the dialog's own, so nothing else knows where that was.
export function ReturnFocus() {
  useEffect(() => {
    let before = null;
    const entered = (event) => {
      const on = event.target;
      if (on instanceof HTMLElement && !on.closest(DIALOGS) && !on.hasAttribute("data-radix-focus-guard")) before = on;
    };
    const holds = (node) => node instanceof Element && (node.matches(DIALOGS) || node.querySelector(DIALOGS));
    const watched = new MutationObserver((changes) => {
      const opened = changes.some((change) => [...change.addedNodes].some(holds));
      const closed = changes.some((change) => [...change.removedNodes].some(holds));
      if (!opened && !closed) return;
      requestAnimationFrame(() => {
        const dialog = document.querySelector(DIALOGS);
        const on = document.activeElement;
        if (dialog && !dialog.contains(on)) {
          (dialog.querySelector("button, input, select, textarea, a[href]") ?? dialog).focus();
        } else if (!dialog && (on === document.body || on === null) && before?.isConnected) {
          before.focus();
        }
      });
    });
    document.addEventListener("focusin", entered);
    watched.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener("focusin", entered);
      watched.disconnect();
    };
  }, []);
  return null;
}
