import "uplot/dist/uPlot.min.css";
import "./style.css";

import { App } from "./app";

const root = document.getElementById("page");
if (root) {
  root.replaceChildren();
  new App(root).start();
}
