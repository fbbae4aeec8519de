// Shows the console in the page.
import { render } from "preact";

import { App } from "./app";
import { readAppearance, showAppearance } from "./preferences";
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";
import "./style/print.css";

showAppearance(readAppearance());
const root = document.getElementById("console");
if (root) render(<App />, root);
