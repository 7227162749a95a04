//! The report of a capture: sections of what it says, on a terminal or as a page.

pub mod document;
pub mod html;
mod owners;
mod purpose;
mod sections;
pub mod terminal;

use monitor_core::{report::Report, services::ServiceTable};

pub use document::SectionId;
pub use owners::{Owners, OwnersError};

use document::Section;
use sections::Context;

/// What a view shows.
#[derive(Debug)]
pub struct Options {
    /// Sections; none: all that have something to say.
    pub sections: Vec<SectionId>,
    /// Rows of a table at most.
    pub top: usize,
    /// Owners of addresses.
    pub owners: Option<Owners>,
    /// What was read, for the heading.
    pub source: String,
    /// Names of ports.
    pub services: ServiceTable,
}

/// The sections that are to be shown.
pub fn sections(report: &Report, options: &Options) -> Vec<Section> {
    let context = Context {
        report,
        top: options.top,
        owners: options.owners.as_ref(),
        source: &options.source,
        services: &options.services,
    };
    let section = |id: &SectionId| sections::section(*id, &context);
    if options.sections.is_empty() {
        SectionId::ALL.iter().map(section).filter(|section| !section.blocks.is_empty()).collect()
    } else {
        options.sections.iter().map(section).collect()
    }
}
