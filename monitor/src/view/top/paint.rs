//! What colours mean. Only the sixteen that every terminal has, so that they follow the reader's theme.

use ratatui::style::{Color, Modifier, Style};

/// What a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Paint {
    #[default]
    Plain,
    Title,
    Label,
    Accent,
    Second,
    Dim,
    Good,
    Warn,
    Bad,
    /// The row or tab that is chosen.
    Chosen,
}

/// Whether colours are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Colours.
    Colours,
    /// Bold, dim and reversed alone (<https://no-color.org>).
    Plain,
}

impl Theme {
    /// How a paint looks.
    pub(super) fn style(self, paint: Paint) -> Style {
        let style = Style::new();
        let (color, modifier) = match paint {
            Paint::Plain => (None, Modifier::empty()),
            Paint::Title => (Some(Color::Cyan), Modifier::BOLD),
            Paint::Label => (None, Modifier::BOLD),
            Paint::Accent => (Some(Color::Cyan), Modifier::empty()),
            Paint::Second => (Some(Color::Blue), Modifier::empty()),
            Paint::Dim => (None, Modifier::DIM),
            Paint::Good => (Some(Color::Green), Modifier::empty()),
            Paint::Warn => (Some(Color::Yellow), Modifier::empty()),
            Paint::Bad => (Some(Color::Red), Modifier::BOLD),
            // Over whatever is there: one colour, so that a row reads as one.
            Paint::Chosen => {
                return style
                    .fg(Color::Reset)
                    .remove_modifier(Modifier::DIM)
                    .add_modifier(Modifier::REVERSED);
            }
        };
        let style = style.add_modifier(modifier);
        match (color, self) {
            (Some(color), Self::Colours) => style.fg(color),
            (Some(_), Self::Plain) if matches!(paint, Paint::Warn | Paint::Bad) => {
                style.add_modifier(Modifier::BOLD)
            }
            _ => style,
        }
    }
}
