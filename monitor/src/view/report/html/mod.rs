//! The report as one page that needs nothing else: no network, no files beside it.
//!
//! maud escapes whatever stands in text and attributes; only the stylesheet and the script below, which are
//! this program's own, go in as they are. The policy of the page allows these two by their digests and
//! nothing else, so that markup which came in nevertheless could not run or load anything.

mod charts;
mod flowmap;
mod treemap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use monitor_core::{record::Text, report::Report};
use ring::digest;

use super::{
    Options,
    document::{Block, Cell, Column, Row, Section, SectionId, Table, Tone},
};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("sort.js");

/// The whole page.
pub fn render(sections: &[Section], report: &Report, options: &Options) -> String {
    let shown = |section: &&Section| section.id != SectionId::Summary && !section.blocks.is_empty();
    let source = safe(&options.source);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                // Without one a browser asks the server for it.
                link rel="icon" href="data:,";
                title { "Network report: " (source) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Network report: " (source) }
                    nav {
                        @for section in sections.iter().filter(shown) {
                            a href={ "#" (section.id.as_str()) } { (section.id.title()) }
                        }
                    }
                }
                main {
                    @for section in sections.iter().filter(|section| section.id == SectionId::Summary) {
                        (cards(section))
                    }
                    div.charts { (charts::all(report)) }
                    @for section in sections.iter().filter(shown) { (body(section)) }
                }
                footer { "Made by Weir. Prefixes are decimal, 1 kB is 1000 bytes; times are UTC." }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// What the page may do: its own stylesheet and its own script.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(digest::digest(&digest::SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// Escaped as records are, in case a source of text forgot.
fn safe(text: &str) -> String {
    Text::escaped(text.as_bytes()).into_owned()
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Dim => "dim",
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
    }
}

fn cards(section: &Section) -> Markup {
    html! {
        @for block in &section.blocks {
            @if let Block::Facts(facts) = block {
                dl.cards {
                    @for (label, cell) in facts {
                        div { dt { (label) } dd class=(class(cell.tone)) { (safe(&cell.text)) } }
                    }
                }
            }
        }
    }
}

fn body(section: &Section) -> Markup {
    html! {
        section id=(section.id.as_str()) {
            h2 { (section.id.title()) }
            p.about { (section.about) }
            @for block in &section.blocks {
                @match block {
                    Block::Facts(facts) => dl.facts {
                        @for (label, cell) in facts {
                            dt { (label) }
                            dd class=(class(cell.tone)) { (safe(&cell.text)) }
                        }
                    },
                    Block::Table(table) => (self::table(table)),
                    // It stands above, larger.
                    Block::Spark | Block::Timeline => {},
                }
            }
        }
    }
}

fn table(table: &Table) -> Markup {
    html! {
        @if !table.title.is_empty() { h3 { (table.title) } }
        div.scroll {
            table {
                thead { tr {
                    @for column in &table.columns {
                        th scope="col" class=(if column.number { "number" } else { "text" }) {
                            @if !column.title.is_empty() { button type="button" { (column.title) } }
                        }
                    }
                } }
                tbody { @for row in &table.rows { (self::row(row, &table.columns)) } }
            }
        }
        @if let Some(note) = &table.note { p.note { (note) } }
    }
}

fn row(row: &Row, columns: &[Column]) -> Markup {
    html! {
        tr.below[row.below] {
            @for (cell, column) in row.cells.iter().zip(columns) { (self::cell(cell, column.number)) }
        }
    }
}

fn cell(cell: &Cell, number: bool) -> Markup {
    let key = cell.key.map(|key| key.to_string());
    html! {
        @if let Some(share) = cell.bar {
            td.bar data-key=[key] {
                svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                    rect.c0 width=(format!("{:.1}", share * 100.0)) height="10" {}
                }
            }
        } @else {
            td class={ (if number { "number" } else { "text" }) " " (class(cell.tone)) } data-key=[key] {
                (safe(&cell.text))
            }
        }
    }
}

#[cfg(test)]
mod tests;
