//! What is known and what is looked at.

use monitor_core::{live::Window, record::Time};

use super::{
    asked::{Details, Live, News, Question, Viewed},
    draw::Places,
    grid::{self, Row, Sort},
    prompt::Prompt,
    tab::Tab,
    trend::Trends,
};
use crate::view::{flows::Flow, live::Snapshot};

/// Flows that are asked for, the first of all in the order of the table; more of them where more are looked at.
const FEW: usize = 200;
/// Most of them.
const MANY: usize = 1_000;

/// What covers the table.
#[derive(Clone, Debug, Default)]
pub(super) enum Cover {
    #[default]
    Nothing,
    Help,
    Flow(Box<Details>, /* It is still there. */ bool),
}

/// Where a table stands.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    /// The row that is chosen, by its id; `None`: none is.
    pub(super) chosen: Option<String>,
    /// Where that was last.
    pub(super) at: usize,
    /// First row that is shown.
    pub(super) offset: usize,
    pub(super) sort: Sort,
}

/// The screen's state.
#[derive(Debug)]
pub struct Top {
    pub(super) viewed: Viewed,
    snapshot: Option<Snapshot>,
    trends: Trends,
    flows: Vec<Flow<'static>>,
    pub(super) matched: usize,
    /// Why nobody answers.
    pub(super) lost: Option<String>,
    /// What is to be said once, and for how many more pictures.
    pub(super) notice: Option<(String, u8)>,
    pub(super) tab: Tab,
    pub(super) cursors: [Cursor; Tab::ALL.len()],
    pub(super) filter: String,
    pub(super) prompt: Option<Prompt>,
    pub(super) cover: Cover,
    /// First line of what covers the table, or of a panel.
    pub(super) scrolled: u16,
    pub(super) bits: bool,
    pub(super) window: Window,
    /// The picture stands still.
    pub(super) paused: bool,
    /// The last that came meanwhile.
    kept: Option<Box<Live>>,
    pub(super) places: Places,
}

impl Top {
    /// Nothing is known yet.
    pub fn new(viewed: Viewed, tab: Tab, filter: String, window: Window) -> Self {
        let capture = matches!(viewed, Viewed::Capture(_));
        Self {
            viewed,
            snapshot: None,
            trends: Trends::default(),
            flows: Vec::new(),
            matched: 0,
            lost: None,
            notice: None,
            tab,
            cursors: Tab::ALL.map(|tab| Cursor { chosen: None, at: 0, offset: 0, sort: tab.sort(capture) }),
            filter,
            prompt: None,
            cover: Cover::Nothing,
            scrolled: 0,
            bits: false,
            window,
            paused: false,
            kept: None,
            places: Places::default(),
        }
    }

    /// What is wanted next.
    pub fn question(&self) -> Question {
        Question {
            window: self.window,
            sort: Tab::order(self.cursor(Tab::Flows).sort),
            limit: self.limit(),
            filter: self.filter.clone(),
            flow: match &self.cover {
                Cover::Flow(details, true) if !self.is_capture() => Some(details.flow.id.to_string()),
                _ => None,
            },
        }
    }

    /// Some more flows than those down to where the screen ends, in steps: each is another question.
    fn limit(&self) -> usize {
        let height = usize::from(self.places.rows.height);
        let seen = self.cursor(Tab::Flows).offset + 2 * height;
        (seen / FEW + 1).saturating_mul(FEW).min(MANY)
    }

    /// Takes what came.
    pub fn news(&mut self, news: News) {
        match news {
            News::Connected => {
                if self.lost.take().is_some() {
                    self.notice = Some(("attached again".to_owned(), 10));
                }
            }
            News::Lost(why) => self.lost = Some(why),
            News::History(history) => self.trends = Trends::of(&history),
            News::Live(live) => {
                if !self.is_capture() {
                    self.trends.push(&live.snapshot);
                }
                if self.paused {
                    self.kept = Some(live);
                } else {
                    self.show(*live);
                }
            }
            News::Details(found) => {
                if let Cover::Flow(details, there) = &mut self.cover {
                    match found {
                        // An answer to an older question is none to this one.
                        Some(found) if found.flow.id == details.flow.id => *details = found,
                        Some(_) => {}
                        None => *there = false,
                    }
                }
            }
        }
    }

    fn show(&mut self, live: Live) {
        let restarted = self
            .snapshot
            .as_ref()
            .is_some_and(|old| live.snapshot.uptime_seconds < old.uptime_seconds && !self.is_capture());
        if restarted {
            self.notice = Some(("attached again: the instance was started anew".to_owned(), 10));
        } else if let Some((_, left)) = &mut self.notice {
            *left = left.saturating_sub(1);
        }
        self.notice.take_if(|(_, left)| *left == 0);
        (self.snapshot, self.matched, self.flows) = (Some(live.snapshot), live.matched, live.flows);
    }

    /// Stops or goes on.
    pub(super) fn pause(&mut self) {
        self.paused = !self.paused;
        if let Some(live) = self.kept.take() {
            self.show(*live);
        }
    }

    /// What was told last.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    pub(super) fn flows(&self) -> &[Flow<'static>] {
        &self.flows
    }

    pub(super) fn filter(&self) -> &str {
        &self.filter
    }

    pub(super) const fn trends(&self) -> &Trends {
        &self.trends
    }

    pub(super) const fn is_capture(&self) -> bool {
        matches!(self.viewed, Viewed::Capture(_))
    }

    pub(super) fn cursor(&self, tab: Tab) -> &Cursor {
        let [flows, domains, services, tcp, dns, events] = &self.cursors;
        match tab {
            Tab::Flows => flows,
            Tab::Domains => domains,
            Tab::Services => services,
            Tab::Tcp => tcp,
            Tab::Dns => dns,
            Tab::Events => events,
        }
    }

    pub(super) fn cursor_mut(&mut self) -> &mut Cursor {
        let [flows, domains, services, tcp, dns, events] = &mut self.cursors;
        match self.tab {
            Tab::Flows => flows,
            Tab::Domains => domains,
            Tab::Services => services,
            Tab::Tcp => tcp,
            Tab::Dns => dns,
            Tab::Events => events,
        }
    }

    /// Rows of a tab's table, in order.
    pub(super) fn rows(&self, tab: Tab) -> Vec<Row<'_>> {
        let mut rows = tab.rows(self);
        grid::sort(&mut rows, self.cursor(tab).sort);
        rows
    }

    /// Follows the row that is chosen to where it went. Returns how many rows there are.
    pub(super) fn follow(&mut self) -> usize {
        let rows = self.rows(self.tab);
        let count = rows.len();
        let cursor = self.cursor(self.tab);
        let Some(chosen) = &cursor.chosen else { return count };
        let there = rows.iter().position(|row| row.id == *chosen);
        // Where it is gone, the one in its place is chosen.
        let at = there.unwrap_or(cursor.at.min(count.saturating_sub(1)));
        let chosen = rows.get(at).map(|row| row.id.clone().into_owned());
        let cursor = self.cursor_mut();
        (cursor.at, cursor.chosen) = (at, chosen);
        count
    }

    /// Chooses a row.
    pub(super) fn choose(&mut self, at: usize) {
        let rows = self.rows(self.tab);
        let at = at.min(rows.len().saturating_sub(1));
        let chosen = rows.get(at).map(|row| row.id.clone().into_owned());
        let cursor = self.cursor_mut();
        (cursor.at, cursor.chosen) = (at, chosen);
    }

    /// Shows a tab.
    pub(super) fn go(&mut self, tab: Tab) {
        (self.tab, self.cover, self.scrolled) = (tab, Cover::Nothing, 0);
    }

    /// When the picture is from.
    pub(super) fn time(&self) -> Option<Time> {
        self.snapshot.as_ref().map(|snapshot| snapshot.time)
    }
}
