//! What a board is made of.

/// A dashboard.
#[derive(Debug)]
pub(crate) struct Board {
    /// Name of its file, and after `weir-` its uid in links.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) filters: &'static [Filter],
    pub(crate) rows: Vec<Row>,
}

/// A variable beside datasource, job and instance, which every board has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    Interface,
    Domain,
    /// How many lines or rows a panel shows at most.
    Top,
}

/// Panels under one heading.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) panels: Vec<Panel>,
}

/// How a panel draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Lines,
    Number,
    Bars,
    Heatmap,
    Table,
}

/// Grafana's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    BytesPerSecond,
    PacketsPerSecond,
    PerSecond,
    Count,
    Share,
    Seconds,
    Text,
}

impl Unit {
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Bytes => "decbytes",
            Self::BytesPerSecond => "Bps",
            Self::PacketsPerSecond => "pps",
            Self::PerSecond => "cps",
            Self::Count => "short",
            Self::Share => "percentunit",
            Self::Seconds => "s",
            Self::Text => "string",
        }
    }
}

/// A question in `PromQL`.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) expression: String,
    /// What a series is called; in a table the column.
    pub(crate) legend: &'static str,
    pub(super) unit: Unit,
}

/// A picture that answers one question.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) kind: Kind,
    pub(crate) queries: Vec<Query>,
    pub(super) unit: Unit,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) stacked: bool,
    pub(super) mirrored: bool,
    /// From which value on it is yellow and red; how much is normal, nobody knows of most numbers.
    pub(super) limits: Option<(f64, f64)>,
    /// Red below this.
    pub(super) at_least: Option<f64>,
    /// Columns of a table that lead to a board: column, board, variable.
    pub(super) links: Vec<(&'static str, &'static str, &'static str)>,
}

impl Panel {
    fn new(kind: Kind, unit: Unit, title: &'static str, description: &'static str) -> Self {
        let (width, height) = match kind {
            Kind::Number => (3, 4),
            Kind::Table => (24, 10),
            Kind::Lines | Kind::Bars | Kind::Heatmap => (12, 8),
        };
        Self {
            title,
            description,
            kind,
            queries: Vec::new(),
            unit,
            width,
            height,
            stacked: false,
            mirrored: false,
            limits: None,
            at_least: None,
            links: Vec::new(),
        }
    }

    pub(crate) fn lines(unit: Unit, title: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Lines, unit, title, description)
    }

    pub(crate) fn number(unit: Unit, title: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Number, unit, title, description)
    }

    pub(crate) fn bars(unit: Unit, title: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Bars, unit, title, description)
    }

    /// Of the buckets of a histogram, in seconds.
    pub(crate) fn heatmap(title: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Heatmap, Unit::Seconds, title, description)
    }

    pub(crate) fn table(title: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Table, Unit::Text, title, description)
    }

    pub(crate) fn query(mut self, legend: &'static str, expression: impl AsRef<str>) -> Self {
        let unit = self.unit;
        self.queries.push(Query { expression: expand(expression.as_ref()), legend, unit });
        self
    }

    /// A column of a table.
    pub(crate) fn column(mut self, legend: &'static str, unit: Unit, expression: impl AsRef<str>) -> Self {
        self.queries.push(Query { expression: expand(expression.as_ref()), legend, unit });
        self
    }

    pub(crate) const fn width(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    pub(crate) const fn stacked(mut self) -> Self {
        self.stacked = true;
        self
    }

    /// Series named `transmit…` go downwards.
    pub(crate) const fn mirrored(mut self) -> Self {
        self.mirrored = true;
        self
    }

    pub(crate) const fn limits(mut self, warning: f64, critical: f64) -> Self {
        self.limits = Some((warning, critical));
        self
    }

    pub(crate) const fn at_least(mut self, least: f64) -> Self {
        self.at_least = Some(least);
        self
    }

    pub(crate) fn link(mut self, column: &'static str, board: &'static str, variable: &'static str) -> Self {
        self.links.push((column, board, variable));
        self
    }
}

/// `$host` and `$link` stand for the matchers of the variables, `$rate` for the range of a rate.
pub(super) fn expand(expression: &str) -> String {
    expression
        .replace("$link", "$host, interface=~\"$interface\"")
        .replace("$host", "job=~\"$job\", instance=~\"$instance\"")
        .replace("$rate", "$__rate_interval")
}

impl Board {
    /// All panels, without the headings.
    pub(crate) fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }
}
