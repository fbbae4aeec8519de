// A dialog above the page. The browser keeps the focus within it, and gives it back when it is closed.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

import { useWords } from "../words/words";
import { Icon } from "./icons";

export function Dialog({ title, onClose, wide, isLocked, extra, children }: {
  title: string;
  onClose: () => void;
  wide?: boolean;
  /** Whether neither Escape nor the cross closes it. */
  isLocked?: boolean;
  extra?: ComponentChildren;
  children: ComponentChildren;
}) {
  const { t } = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const opener = document.activeElement;
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      // While it is open, nothing beside it takes the focus.
      shown?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} class={wide ? "wide" : ""} aria-labelledby={id}
      onCancel={event => {
        event.preventDefault();
        if (!isLocked) onClose();
      }}
      onKeyDown={event => {
        // Chromium closes a dialog at the second Escape whatever the event above says.
        if (event.key === "Escape" && isLocked) event.preventDefault();
      }}>
      <header>
        <h2 id={id}>{title}</h2>
        <div class="buttons">
          {extra}
          {!isLocked && (
            <button type="button" class="plain" aria-label={t("action.close")} onClick={onClose}><Icon name="close" /></button>
          )}
        </div>
      </header>
      <div class="content">{children}</div>
    </dialog>
  );
}
