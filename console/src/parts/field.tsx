// A field of a form with its label, a hint and what is wrong with it.
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  label: string;
  hint?: string | undefined;
  fault?: string | undefined;
}

type InputProps = FieldProps & Omit<JSX.IntrinsicElements["input"], "label" | "value" | "onInput"> & {
  value: string;
  onValue: (value: string) => void;
};

/** The field's ids, and the attributes by which a screen reader finds hint and fault. */
function useDescription({ hint, fault }: FieldProps) {
  const id = useId();
  const described = [hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(" ");
  return { id, attributes: { id, "aria-describedby": described || undefined, "aria-invalid": fault ? true : undefined } as const };
}

function Surround({ id, label, hint, fault, children }: FieldProps & { id: string; children: ComponentChildren }) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
      {fault && <p class="fault" id={`${id}-fault`}>{fault}</p>}
    </div>
  );
}

/** A line of text. The browser neither completes nor keeps what is typed. */
export function TextField({ label, hint, fault, value, onValue, ...rest }: InputProps) {
  const { id, attributes } = useDescription({ label, hint, fault });
  return (
    <Surround {...{ id, label, hint, fault }}>
      <input type="text" autocomplete="off" autocapitalize="off" spellcheck={false} {...rest} {...attributes} value={value}
        onInput={event => onValue(event.currentTarget.value)} />
    </Surround>
  );
}

/** Several lines of text. */
export function TextArea({ label, hint, fault, value, onValue }: FieldProps & { value: string; onValue: (value: string) => void }) {
  const { id, attributes } = useDescription({ label, hint, fault });
  return (
    <Surround {...{ id, label, hint, fault }}>
      <textarea autocomplete="off" spellcheck={false} rows={2} {...attributes} value={value}
        onInput={event => onValue(event.currentTarget.value)} />
    </Surround>
  );
}

/** A choice among several values, as pairs of value and text. */
export function Choice({ label, hint, value, onValue, options }: FieldProps & {
  value: string;
  onValue: (value: string) => void;
  options: readonly (readonly [string, string])[];
}) {
  const { id, attributes } = useDescription({ label, hint });
  return (
    <Surround {...{ id, label, hint }}>
      <select {...attributes} value={value} onChange={event => onValue(event.currentTarget.value)}>
        {options.map(([option, text]) => <option key={option} value={option}>{text}</option>)}
      </select>
    </Surround>
  );
}

/** A box to tick. */
export function Check({ label, hint, checked, onValue }: {
  label: string;
  hint?: string;
  checked: boolean;
  onValue: (checked: boolean) => void;
}) {
  const id = useId();
  return (
    <div class="check">
      <input id={id} type="checkbox" checked={checked} aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={event => onValue(event.currentTarget.checked)} />
      <div>
        <label for={id}>{label}</label>
        {hint && <p class="small quiet" id={`${id}-hint`}>{hint}</p>}
      </div>
    </div>
  );
}
