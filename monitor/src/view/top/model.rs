//! What is known and what is looked at.

use monitor_core::{live::Window, record::Time};

use super::{
    asked::{Details, Live, MANY, News, Question, Viewed},
    draw::Places,
    grid::{self, Row, Sort},
    prompt::Prompt,
    tab::Tab,
    trend::Trends,
};
use crate::view::{flows::Flow, live::Snapshot};

/// Flows that are asked for, the first of all in the order of the table; more of them where more are looked at.
const FEW: usize = 200;

/// What covers the table.
#[derive(Clone, Debug, Default)]
pub(super) enum Cover {
    #[default]
    Nothing,
    Help,
    Flow(Box<Opened>),
}

/// A flow of which all that is known is shown.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) details: Details,
    /// It is still there.
    pub(super) there: bool,
    /// More was told of it than its row.
    told: bool,
}

impl Opened {
    /// As its row has it.
    pub(super) fn new(flow: Flow<'static>) -> Self {
        let details = Details { flow, timeline: None, events: Vec::new() };
        Self { details, there: true, told: false }
    }

    /// Takes an answer, if it is one about this flow.
    fn take(&mut self, id: &str, found: Option<Details>) {
        // An answer to an older question is none to this one.
        if self.details.flow.id.to_string() != id {
            return;
        }
        match found {
            Some(found) if found.flow.id == self.details.flow.id => (self.details, self.told) = (found, true),
            Some(_) => {}
            None => self.there = false,
        }
    }
}

/// A picture that stands still, and the last that came meanwhile.
#[derive(Debug)]
struct Still {
    /// Charts as they were.
    trends: Trends,
    live: Option<Box<Live>>,
    /// Of the flow that is looked at.
    details: Option<(String, Option<Box<Details>>)>,
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
    still: Option<Still>,
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
            bits: true,
            window,
            still: None,
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
                Cover::Flow(opened) if opened.there && !self.is_capture() => {
                    Some(opened.details.flow.id.to_string())
                }
                _ => None,
            },
        }
    }

    /// Some more flows than those down to where the screen ends, in steps: each is another question.
    fn limit(&self) -> usize {
        // That of the screen: what covers the table for a while is no reason to ask anew.
        let height = usize::from(self.places.screen);
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
            News::Live(mut live) => {
                if !self.is_capture() {
                    self.trends.push(&live.history);
                    live.bound();
                }
                match &mut self.still {
                    Some(still) => still.live = Some(live),
                    None => self.show(*live),
                }
            }
            News::Details(id, found) => self.tell(id, found),
        }
    }

    /// Shows what is known of the flow that is looked at.
    fn tell(&mut self, id: String, found: Option<Box<Details>>) {
        let Cover::Flow(opened) = &mut self.cover else { return };
        match &mut self.still {
            // Who opens a flow of a picture that stands still sees it once.
            Some(still) if opened.told => still.details = Some((id, found)),
            _ => opened.take(&id, found.map(|found| *found)),
        }
    }

    fn show(&mut self, live: Live) {
        let restarted = self
            .snapshot
            .as_ref()
            .is_some_and(|old| live.snapshot.uptime_seconds < old.uptime_seconds && !self.is_capture());
        if restarted {
            self.notice = Some(("attached again: the instance was restarted".to_owned(), 10));
        } else if let Some((_, left)) = &mut self.notice {
            *left = left.saturating_sub(1);
        }
        self.notice.take_if(|(_, left)| *left == 0);
        (self.snapshot, self.matched, self.flows) = (Some(live.snapshot), live.matched, live.flows);
    }

    /// Stops or goes on.
    pub(super) fn pause(&mut self) {
        let Some(Still { live, details, .. }) = self.still.take() else {
            self.still = Some(Still { trends: self.trends.clone(), live: None, details: None });
            return;
        };
        if let Some(live) = live {
            self.show(*live);
        }
        if let Some((id, found)) = details {
            self.tell(id, found);
        }
    }

    /// The picture stands still.
    pub(super) const fn is_paused(&self) -> bool {
        self.still.is_some()
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

    pub(super) fn trends(&self) -> &Trends {
        self.still.as_ref().map_or(&self.trends, |still| &still.trends)
    }

    pub(super) const fn is_capture(&self) -> bool {
        matches!(self.viewed, Viewed::Capture(_))
    }

    pub(super) fn cursor(&self, tab: Tab) -> &Cursor {
        let [flows, domains, services, tcp, dns, events, hosts, owners] = &self.cursors;
        match tab {
            Tab::Flows => flows,
            Tab::Domains => domains,
            Tab::Services => services,
            Tab::Tcp => tcp,
            Tab::Dns => dns,
            Tab::Events => events,
            Tab::Hosts => hosts,
            Tab::Owners => owners,
        }
    }

    pub(super) fn cursor_mut(&mut self) -> &mut Cursor {
        let [flows, domains, services, tcp, dns, events, hosts, owners] = &mut self.cursors;
        match self.tab {
            Tab::Flows => flows,
            Tab::Domains => domains,
            Tab::Services => services,
            Tab::Tcp => tcp,
            Tab::Dns => dns,
            Tab::Events => events,
            Tab::Hosts => hosts,
            Tab::Owners => owners,
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
