//! The JSON of a board, for Grafana 10 and newer.

use serde_json::{Value, json};

use super::model::{Board, Filter, Kind, Panel, Query, Unit, expand};

/// The columns of Grafana's grid.
const GRID: u32 = 24;

impl Board {
    /// What Grafana imports.
    pub(crate) fn json(&self) -> Value {
        let (mut id, mut y, mut panels) = (0, 0, Vec::new());
        let mut next = || {
            id += 1;
            id
        };
        for row in &self.rows {
            panels.push(json!({
                "id": next(), "type": "row", "title": row.title, "collapsed": false, "panels": [],
                "gridPos": { "h": 1, "w": GRID, "x": 0, "y": y },
            }));
            y += 1;
            for line in lines(&row.panels) {
                let tallest = line.iter().map(|panel| panel.height).max().unwrap_or_default();
                let mut x = 0;
                for panel in line {
                    // One beside which nothing is takes the whole width, and a number the height of what is beside it.
                    let width = if line.len() == 1 && panel.width * 2 == GRID { GRID } else { panel.width };
                    let height = if panel.kind == Kind::Number { tallest } else { panel.height };
                    panels.push(panel.json(next(), (x, y), (width, height)));
                    x += width;
                }
                y += tallest;
            }
        }
        json!({
            "uid": format!("weir-{}", self.name),
            "title": format!("Weir / {}", self.title),
            "description": self.description,
            "tags": ["weir"],
            "schemaVersion": 39,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "fiscalYearStartMonth": 0,
            "weekStart": "",
            "timezone": "browser",
            "refresh": "30s",
            "time": { "from": "now-1h", "to": "now" },
            "timepicker": {},
            "annotations": { "list": [annotation()] },
            "links": [{
                "type": "dashboards", "title": "Weir", "tags": ["weir"], "asDropdown": false, "icon": "external link",
                "includeVars": true, "keepTime": true, "targetBlank": false, "tooltip": "", "url": "",
            }],
            "templating": { "list": self.variables() },
            "panels": panels,
        })
    }

    fn variables(&self) -> Vec<Value> {
        let mut variables = vec![
            json!({
                "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
                "hide": 0, "includeAll": false, "multi": false, "refresh": 1, "regex": "", "options": [],
                "skipUrlSync": false,
            }),
            choice("job", "Job", "label_values(weir_build_info, job)"),
            choice("instance", "Instance", "label_values(weir_build_info{job=~\"$job\"}, instance)"),
        ];
        let sizes = ["5", "10", "20", "50"]
            .map(|size| json!({ "selected": size == "10", "text": size, "value": size }));
        variables.extend(self.filters.iter().map(|filter| match filter {
            Filter::Interface => choice(
                "interface",
                "Interface",
                &expand("label_values(weir_hook_packets_total{$host}, interface)"),
            ),
            Filter::Domain => {
                choice("domain", "Domain", &expand("label_values(weir_domain_io_bytes_total{$host}, domain)"))
            }
            Filter::Top => json!({
                "name": "top", "label": "Show", "type": "custom", "query": "5,10,20,50", "hide": 0,
                "includeAll": false, "multi": false, "skipUrlSync": false,
                "current": { "selected": true, "text": "10", "value": "10" },
                "options": sizes,
            }),
        }));
        variables
    }
}

/// Panels by the lines of the grid on which they stand.
fn lines(panels: &[Panel]) -> Vec<&[Panel]> {
    let (mut lines, mut begin, mut x) = (Vec::new(), 0, 0);
    for (at, panel) in panels.iter().enumerate() {
        if x + panel.width > GRID {
            lines.push(&panels[begin..at]);
            (begin, x) = (at, 0);
        }
        x += panel.width;
    }
    lines.push(&panels[begin..]);
    lines
}

impl Panel {
    fn json(&self, id: u32, (x, y): (u32, u32), (width, height): (u32, u32)) -> Value {
        json!({
            "id": id,
            "type": match self.kind {
                Kind::Lines => "timeseries",
                Kind::Number => "stat",
                Kind::Bars => "bargauge",
                Kind::Heatmap => "heatmap",
                Kind::Table => "table",
            },
            "title": self.title,
            "description": self.description,
            "datasource": datasource(),
            "gridPos": { "h": height, "w": width, "x": x, "y": y },
            "targets": self.targets(),
            "fieldConfig": {
                "defaults": self.defaults(),
                "overrides": self.overrides(),
            },
            "options": self.options(),
            "transformations": self.transformations(),
        })
    }

    fn targets(&self) -> Vec<Value> {
        let instant = matches!(self.kind, Kind::Bars | Kind::Table);
        let format = match self.kind {
            Kind::Table => "table",
            Kind::Heatmap => "heatmap",
            Kind::Lines | Kind::Number | Kind::Bars => "time_series",
        };
        let target = |(at, query): (usize, &Query)| {
            json!({
                "refId": reference(at),
                "datasource": datasource(),
                "editorMode": "code",
                "expr": query.expression,
                "legendFormat": query.legend,
                "format": format,
                "instant": instant,
                "range": !instant,
            })
        };
        self.queries.iter().enumerate().map(target).collect()
    }

    fn steps(&self) -> Value {
        let step = |color: &str, value: Option<f64>| json!({ "color": color, "value": value });
        match (self.limits, self.at_least) {
            (Some((warning, critical)), _) => {
                json!([step("green", None), step("yellow", Some(warning)), step("red", Some(critical)),])
            }
            (None, Some(least)) => json!([step("red", None), step("green", Some(least))]),
            (None, None) => json!([step("blue", None)]),
        }
    }

    fn defaults(&self) -> Value {
        let colored = matches!(self.kind, Kind::Number | Kind::Bars);
        let mut defaults = json!({
            "unit": self.unit.id(),
            "color": { "mode": if colored { "thresholds" } else { "palette-classic" } },
            "thresholds": { "mode": "absolute", "steps": self.steps() },
        });
        if self.kind == Kind::Number && self.unit == Unit::Share {
            defaults["decimals"] = json!(1);
        }
        if !self.mirrored && self.kind != Kind::Table {
            defaults["min"] = json!(0);
        }
        match self.kind {
            Kind::Lines => {
                let limits = if self.limits.is_some() { "dashed" } else { "off" };
                defaults["custom"] = json!({
                    "drawStyle": "line",
                    "lineWidth": 1,
                    "fillOpacity": if self.stacked { 40 } else { 10 },
                    "showPoints": "auto",
                    "spanNulls": false,
                    "stacking": { "mode": if self.stacked { "normal" } else { "none" }, "group": "A" },
                    "thresholdsStyle": { "mode": limits },
                });
            }
            Kind::Table => {
                defaults["custom"] = json!({ "align": "auto", "cellOptions": { "type": "auto" } });
            }
            Kind::Number | Kind::Bars | Kind::Heatmap => {}
        }
        defaults
    }

    fn overrides(&self) -> Vec<Value> {
        let mut overrides = Vec::new();
        if self.mirrored {
            overrides.push(json!({
                "matcher": { "id": "byRegexp", "options": "/^transmit/" },
                "properties": [{ "id": "custom.transform", "value": "negative-Y" }],
            }));
        }
        if matches!(self.kind, Kind::Bars | Kind::Lines) {
            // What has no series of its own is one thing, not one a label.
            overrides.extend(self.queries.iter().filter(|query| query.legend.matches("{{").count() > 1).map(
                |query| {
                    let other = vec!["other"; query.legend.matches("{{").count()].join(" ");
                    json!({
                        "matcher": { "id": "byName", "options": other },
                        "properties": [{ "id": "displayName", "value": "other" }],
                    })
                },
            ));
        }
        if self.kind != Kind::Table {
            return overrides;
        }
        overrides.extend(self.queries.iter().map(|query| {
            json!({
                "matcher": { "id": "byName", "options": query.legend },
                "properties": [{ "id": "unit", "value": query.unit.id() }],
            })
        }));
        overrides.extend(self.links.iter().map(|(column, board, variable)| {
            let url = format!(
                "/d/weir-{board}?${{datasource:queryparam}}&${{job:queryparam}}&var-{variable}=${{__value.raw}}\
                 &${{__url_time_range}}"
            );
            json!({
                "matcher": { "id": "byName", "options": heading(column) },
                "properties": [{ "id": "links", "value": [{ "title": "Look at it alone", "url": url }] }],
            })
        }));
        overrides
    }

    /// Whether it shows more lines than there is room for below a picture: three.
    fn has_many_lines(&self) -> bool {
        let by_label = |query: &Query| query.legend.contains("{{") && query.legend != "{{direction}}";
        self.queries.len() > 3 || self.queries.iter().any(by_label)
    }

    fn options(&self) -> Value {
        let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
        match self.kind {
            Kind::Lines => json!({
                "legend": {
                    // Below a picture there is room for three lines.
                    "displayMode": "table", "placement": if self.has_many_lines() { "right" } else { "bottom" },
                    "showLegend": true, "calcs": ["lastNotNull", "max"],
                },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Kind::Number => json!({
                "reduceOptions": last, "colorMode": "value", "graphMode": "area", "justifyMode": "auto",
                "orientation": "auto", "textMode": "auto",
            }),
            Kind::Bars => json!({
                "reduceOptions": last, "displayMode": "gradient", "orientation": "horizontal",
                "showUnfilled": true, "minVizWidth": 0, "minVizHeight": 10, "valueMode": "color",
            }),
            Kind::Heatmap => json!({
                "calculate": false,
                "cellGap": 1,
                "color": {
                    "mode": "scheme", "scheme": "Spectral", "steps": 64, "scale": "exponential", "exponent": 0.5,
                    "fill": "dark-orange", "reverse": false,
                },
                "exemplars": { "color": "rgba(255,0,255,0.7)" },
                "filterValues": { "le": 1e-9 },
                "legend": { "show": true },
                "rowsFrame": { "layout": "auto" },
                "showValue": "never",
                "tooltip": { "mode": "single", "yHistogram": false },
                "yAxis": { "axisPlacement": "left", "reverse": false, "unit": Unit::Seconds.id() },
            }),
            Kind::Table => {
                let first = self.queries.first().map_or("", |query| query.legend);
                json!({
                    "showHeader": true,
                    "cellHeight": "sm",
                    "sortBy": [{ "displayName": first, "desc": true }],
                })
            }
        }
    }

    /// One table of the answers, its columns named. A lone answer's column is `Value`, without a letter.
    fn transformations(&self) -> Vec<Value> {
        if self.kind != Kind::Table {
            return Vec::new();
        }
        let mut names = serde_json::Map::new();
        for (at, query) in self.queries.iter().enumerate() {
            let value =
                if self.queries.len() == 1 { "Value".into() } else { format!("Value #{}", reference(at)) };
            names.insert(value, query.legend.into());
        }
        names.extend(HEADINGS.iter().map(|(label, heading)| ((*label).to_owned(), (*heading).into())));
        vec![
            json!({ "id": "merge", "options": {} }),
            json!({
                "id": "organize",
                "options": { "excludeByName": { "Latency": true }, "indexByName": {}, "renameByName": names },
            }),
        ]
    }
}

/// What columns of labels are called.
const HEADINGS: [(&str, &str); 11] = [
    ("container", "Container"),
    ("domain", "Domain"),
    ("image", "Image"),
    ("instance", "Host"),
    ("name", "Name"),
    ("namespace", "Namespace"),
    ("pod", "Pod"),
    ("server_port", "Port"),
    ("service", "Service"),
    ("transport", "Transport"),
    ("unit", "Unit"),
];

/// What the column of a label is called.
fn heading(label: &str) -> &str {
    HEADINGS.iter().find(|(known, _)| *known == label).map_or(label, |(_, heading)| heading)
}

/// `A`, `B`, … A panel has fewer questions than there are letters.
fn reference(at: usize) -> String {
    char::from(b'A' + at as u8).to_string()
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn choice(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query", "datasource": datasource(),
        "query": { "query": query, "refId": "StandardVariableQuery" },
        "hide": 0, "includeAll": true, "allValue": ".*", "multi": true, "refresh": 2, "regex": "", "sort": 1,
        "options": [], "skipUrlSync": false,
        "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
    })
}

fn annotation() -> Value {
    json!({
        "builtIn": 1, "datasource": { "type": "grafana", "uid": "-- Grafana --" }, "enable": true, "hide": true,
        "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
    })
}
