// The switches of language and appearance.
import { useState } from "preact/hooks";

import { keepAppearance, readAppearance, showAppearance, type Appearance } from "../preferences";
import { useWords } from "../words/words";

const APPEARANCES: readonly Appearance[] = ["system", "light", "dark"];

export function Preferences() {
  const { t, language, setLanguage } = useWords();
  const [appearance, setAppearance] = useState(readAppearance);
  const choose = (chosen: Appearance) => {
    keepAppearance(chosen);
    showAppearance(chosen);
    setAppearance(chosen);
  };
  return (
    <>
      <div class="switch" role="group" aria-label={t("frame.appearance")}>
        {APPEARANCES.map(name => (
          <button key={name} type="button" aria-pressed={appearance === name} onClick={() => choose(name)}>{t(`appearance.${name}`)}</button>
        ))}
      </div>
      <div class="switch" role="group" aria-label={t("frame.language")}>
        <button type="button" lang="id" aria-pressed={language === "id"} onClick={() => setLanguage("id")} title="Bahasa Indonesia">ID<span class="hidden"> Bahasa Indonesia</span></button>
        <button type="button" lang="en" aria-pressed={language === "en"} onClick={() => setLanguage("en")} title="English">EN<span class="hidden"> English</span></button>
      </div>
    </>
  );
}
