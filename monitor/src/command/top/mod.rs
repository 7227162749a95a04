//! `weir top`: the screens over a running instance, or over a run of its own.

mod backend;
mod feed;
mod instance;
mod own;
pub(super) mod screen;
mod signals;
mod taken;

use std::{io, net::IpAddr, path::PathBuf};

use clap::Args;
use hyper::StatusCode;
use monitor_core::{filter::Filter, live::Window};

use super::CommandError;
use crate::{
    app::OwnRun,
    client::{self, ClientError, Instance},
    config::{Config, Overrides, types::ListenAddress},
    terminal,
    view::top::{Live, News, Tab, Top, Viewed, plain},
};
use feed::Source;

/// Columns of `--once` where nobody says how many.
const WIDE: u16 = 250;

/// What to look at.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Flows to show, such as `port 443 and bytes > 1M`; `weir flows --help` has all of it.
    filter: Vec<String>,
    /// The instance [default: where `weir run` with this configuration listens; if none answers there, this
    /// process counts on its own].
    #[arg(long, value_name = "URL", env = "WEIR_URL", hide_env_values = true)]
    url: Option<String>,
    /// CA bundle in PEM form, to verify the instance's certificate [default: the system's].
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Count in this process even where an instance could be attached to; interfaces that another one counts are
    /// refused. No port is opened.
    #[arg(long)]
    own: bool,
    /// Tab to start with; with --once, the only one that is printed.
    #[arg(long, value_enum)]
    tab: Option<Tab>,
    /// Time range of sums.
    #[arg(long, value_name = "1m|5m|1h", value_parser = window, default_value = "5m")]
    window: Window,
    /// Print one screen as text and exit; needs no terminal. As wide as COLUMNS says, else 250 columns.
    #[arg(long)]
    once: bool,
    /// Print that screen's snapshot as JSON.
    #[arg(long, requires = "once")]
    json: bool,
    /// Do not use colours; so does the variable `NO_COLOR`.
    #[arg(long)]
    no_color: bool,
    #[command(flatten)]
    overrides: Overrides,
}

fn window(text: &str) -> Result<Window, &'static str> {
    match text {
        "1m" => Ok(Window::Minute),
        "5m" => Ok(Window::FiveMinutes),
        "1h" => Ok(Window::Hour),
        _ => Err("give 1m, 5m or 1h"),
    }
}

/// Shows the screens until the user has seen enough.
pub fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let filter = arguments.filter.join(" ");
    if !filter.is_empty() {
        filter.parse::<Filter>().map_err(CommandError::Filter)?;
    }
    if !arguments.once && !terminal::is_capable() {
        return Err(CommandError::NoTerminal { instead: "`weir top --once` prints one picture" });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (source, viewed) = runtime.block_on(source(arguments))?;
    let mut top = Top::new(viewed, arguments.tab.unwrap_or_default(), filter, arguments.window);
    if arguments.once {
        let (history, live) = runtime.block_on(feed::once(source, top.question()))?;
        top.news(News::History(Box::new(history)));
        return once(arguments, &mut top, live);
    }
    screen::run(top, arguments.no_color, move |questions, news| {
        let fed = runtime.block_on(feed::run(source, questions, &news));
        // A name that is still being looked up is waited for by nobody.
        runtime.shutdown_background();
        fed
    })
}

/// An instance that answers, or a run of this process.
async fn source(arguments: &Arguments) -> Result<(Source, Viewed), CommandError> {
    // Before the run has threads of its own; without screens nothing is held back.
    let hold = || if arguments.once { Ok(()) } else { signals::hold_stops() };
    let own = |config: &Config| OwnRun::start(config).map(|run| (Source::Own(Box::new(run)), Viewed::Own));
    // Who exports the address wants it where nothing else is said: `--own` says something else.
    let named = arguments.url.as_ref().filter(|_| !arguments.own);
    // Who names an instance needs no configuration, nor the right to read one.
    let config = match named {
        Some(_) => None,
        None => Some(arguments.overrides.load()?.config),
    };
    if let Some(config) = config.as_ref().filter(|_| arguments.own) {
        hold()?;
        return Ok(own(config)?);
    }
    let url = named.cloned().or_else(|| config.as_ref().map(url)).unwrap_or_else(client::default_url);
    let instance = Instance::new(&url, arguments.ca_file.clone())?;
    match instance.get("/-/ready").await {
        // It is there and will be ready soon.
        Ok(_) | Err(ClientError::Refused { status: StatusCode::SERVICE_UNAVAILABLE, .. }) => {
            let viewed = Viewed::Instance(instance.url().to_owned());
            Ok((Source::Instance(Box::new(instance)), viewed))
        }
        Err(error) => match (error, config) {
            (ClientError::Connect { url, source }, Some(config))
                if source.kind() == io::ErrorKind::ConnectionRefused =>
            {
                hold()?;
                own(&config).map_err(|source| CommandError::NoSource { url, source: Box::new(source) })
            }
            (error, _) => Err(error.into()),
        },
    }
}

/// Where an instance with this configuration listens, as seen from this host.
fn url(config: &Config) -> String {
    let address = match config.web_listen_address.first() {
        None => return client::default_url(),
        Some(socket @ ListenAddress::Local(_)) => return socket.to_string(),
        Some(ListenAddress::Internet(address)) => address,
    };
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        // All addresses of both versions.
        IpAddr::V6(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let tls = config.web_config_file.as_deref().map(crate::web::WebConfig::read);
    let tls = tls.is_some_and(|web| web.is_ok_and(|web| web.tls.is_some()));
    format!("{}://{ip}:{}", if tls { "https" } else { "http" }, address.port())
}

/// Prints what came.
fn once(arguments: &Arguments, top: &mut Top, live: Live) -> Result<(), CommandError> {
    if arguments.json {
        let json = serde_json::to_string(&live.snapshot).map_err(CommandError::Answer)?;
        return super::print(&format_args!("{json}\n"));
    }
    top.news(News::Live(Box::new(live)));
    let tabs = arguments.tab.as_ref().map_or(&Tab::ALL[..], std::slice::from_ref);
    let width = terminal::columns().map_or(WIDE, |columns| columns.clamp(60, 1_000) as u16);
    super::print(&plain(top, tabs, width))
}
