// The frame of the pages: where one can go, who is signed in, language and appearance.
import type { FunctionComponent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import type { Operation } from "./api/call";
import { Clients } from "./pages/clients";
import { Compare } from "./pages/compare";
import { EnrolmentPage } from "./pages/enrolment";
import { HealthPage } from "./pages/health";
import { ModelsPage } from "./pages/models";
import { Operators } from "./pages/operators";
import { People } from "./pages/people";
import { Requests } from "./pages/requests";
import { Trail } from "./pages/trail";
import { Verify } from "./pages/verify";
import { Icon, type IconName } from "./parts/icons";
import { PageHead } from "./parts/page";
import { Preferences } from "./parts/preferences";
import { to, useRoute, type Route } from "./router";
import { useAccess } from "./session";
import { useWords, type Key } from "./words/words";

interface Page {
  name: IconName;
  title: Key;
  /** The page is shown to whom any of these is permitted. */
  needs: readonly Operation[];
  show: FunctionComponent<{ route: Route }>;
}

const PAGES: readonly Page[] = [
  { name: "verify", title: "page.verify", needs: ["verifyByHand"], show: Verify },
  { name: "compare", title: "page.compare", needs: ["compareByHand"], show: Compare },
  { name: "requests", title: "page.requests", needs: ["listRequests", "searchRequest"], show: Requests },
  { name: "clients", title: "page.clients", needs: ["listClients"], show: Clients },
  { name: "people", title: "page.people", needs: ["searchPerson"], show: People },
  { name: "trail", title: "page.trail", needs: ["listExports", "listVerifications"], show: Trail },
  { name: "enrolment", title: "page.enrolment", needs: ["listEnrolments"], show: EnrolmentPage },
  { name: "models", title: "page.models", needs: ["listModels"], show: ModelsPage },
  { name: "operators", title: "page.operators", needs: ["listOperators"], show: Operators },
  { name: "health", title: "page.health", needs: ["showHealth"], show: HealthPage },
];

export function Frame({ onSignOut }: { onSignOut: () => Promise<void> }) {
  const { t } = useWords();
  const { may } = useAccess();
  const route = useRoute();
  const [isMenuOpen, setMenuOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const pages = PAGES.filter(page => page.needs.some(may));
  const current = route.length === 0 ? pages[0] : pages.find(page => page.name === route[0]);
  useEffect(() => {
    setMenuOpen(false);
    scrollTo(0, 0);
  }, [current]);
  const Shown = current?.show ?? Unknown;
  return (
    <div class="frame">
      <a class="skip" href="#content" onClick={event => {
        event.preventDefault();
        main.current?.focus();
      }}>{t("frame.skip")}</a>
      <nav class={`side ${isMenuOpen ? "open" : ""}`} id="menu" aria-label={t("frame.pages")}>
        <a class="brand" href={to()}><img src="./icon.svg" alt="" />Padan</a>
        <ul>
          {pages.map(page => (
            <li key={page.name}>
              <a href={to(page.name)} aria-current={page === current ? "page" : undefined} onClick={() => setMenuOpen(false)}>
                <Icon name={page.name} />{t(page.title)}
              </a>
            </li>
          ))}
        </ul>
        <Who onSignOut={onSignOut} />
      </nav>
      <div>
        <header class="bar">
          <button type="button" class="menu" aria-expanded={isMenuOpen} aria-controls="menu" onClick={() => setMenuOpen(!isMenuOpen)}>
            <Icon name="menu" /><span>{t("frame.menu")}</span>
          </button>
          <Preferences />
        </header>
        <main id="content" ref={main} tabIndex={-1}><Shown key={current?.name} route={route} /></main>
      </div>
    </div>
  );
}

function Who({ onSignOut }: { onSignOut: () => Promise<void> }) {
  const { t, named } = useWords();
  const { session } = useAccess();
  return (
    <div class="who">
      <p><strong title={session.name}>{session.claimed_name ?? session.name}</strong>{named("role", session.role)}</p>
      <button type="button" onClick={() => void onSignOut()}>{t("frame.signOut")}</button>
    </div>
  );
}

function Unknown() {
  const { t } = useWords();
  return <PageHead title={t("page.unknown")} about={t("page.unknown.about")} />;
}
