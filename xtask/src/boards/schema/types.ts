// What a board must be by Grafana's own types; two versions of its package are looked at, one after the other. The boards follow below, each
// as a value of these types: what Grafana does not know, and what is no value of its, does not compile.
import type { Dashboard, FieldConfigSource, Panel, RowPanel, VariableModel } from "@grafana/schema";
import type { Options as BarOptions } from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type {
  FieldConfig as HeatmapField,
  Options as HeatmapOptions,
} from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  FieldConfig as TableField,
  Options as TableOptions,
} from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type {
  FieldConfig as LinesField,
  Options as LinesOptions,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
// Later packages no longer have it: the data source is a plugin.
import type { PrometheusDataQuery } from "grafana-10/dist/esm/raw/composable/prometheus/dataquery/x/PrometheusDataQuery_types.gen";

// JSON has no members of enumerations, but their values.
type Json<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : T extends (infer U)[]
        ? Json<U>[]
        : { [K in keyof T]: Json<T[K]> };

type Drawn<Type extends string, Options, Field> = Json<
  Omit<Panel, "type" | "options" | "fieldConfig" | "targets">
> & {
  type: Type;
  // What is left out has the panel's default.
  options: Json<Partial<Options>>;
  fieldConfig: Json<Omit<FieldConfigSource, "defaults">> & {
    defaults: Json<Omit<FieldConfigSource["defaults"], "custom">> & { custom?: Json<Field> };
  };
  targets: Json<PrometheusDataQuery>[];
};

export type Any =
  | Json<Omit<RowPanel, "type">> & { type: "row" }
  | Drawn<"bargauge", BarOptions, never>
  | Drawn<"heatmap", HeatmapOptions, Partial<HeatmapField>>
  | Drawn<"stat", StatOptions, never>
  | Drawn<"table", TableOptions, Partial<TableField>>
  | Drawn<"timeseries", LinesOptions, Partial<LinesField>>;

export type Board = Json<Omit<Dashboard, "panels" | "templating">> & {
  panels: Any[];
  templating: { list: Json<VariableModel>[] };
};

// The check can fail: none of these is Grafana's.
// @ts-expect-error no such panel
export const noPanel: Any["type"] = "timeserie";
// @ts-expect-error no such option
export const noOption: Drawn<"stat", StatOptions, never>["options"] = { graphmode: "area" };
// @ts-expect-error no such value of an option
export const noValue: Drawn<"stat", StatOptions, never>["options"] = { graphMode: "arae" };
// @ts-expect-error no such key of a query
export const noQuery: Drawn<"stat", StatOptions, never>["targets"] = [{ refId: "A", expression: "up" }];
// @ts-expect-error no such key of a threshold
export const noStep: Drawn<"stat", StatOptions, never>["fieldConfig"]["defaults"]["thresholds"] = { mode: "absolute", steps: [{ colour: "red", value: 1 }] };
// @ts-expect-error no such time to ask for a variable's values
export const noVariable: Board["templating"]["list"][number] = { name: "a", type: "query", refresh: 9 };

