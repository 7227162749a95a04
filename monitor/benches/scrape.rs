//! What a page of 100,000 series costs, plain and compressed, in both text formats: CPU time.
#![expect(clippy::expect_used, reason = "a bench that cannot go on says why")]

#[path = "common/cpu.rs"]
mod cpu;
#[path = "common/goals.rs"]
mod goals;
#[path = "common/results.rs"]
mod results;

use cpu::cpu_time;
use goals::at_most;
use monitor::{
    clock,
    telemetry::{Events, KernelStatus, Own},
    view::prometheus::{self, Context, Format},
    web::compress,
};
use monitor_common::abi::Transport;
use monitor_core::{
    engine::{Budgets, Engine, EngineConfig},
    label::Role,
    series::SeriesConfig,
    totals::ServiceKey,
};
use results::{Found, rounds};

const SERIES: u32 = 100_000;
const ROUNDS: usize = 40;

fn main() {
    let now = clock::now();
    let wide = SeriesConfig { max_series: SERIES, new_per_hour: SERIES, ..SeriesConfig::default() };
    let series = Budgets { services: wide, ..Budgets::default() };
    let mut engine = Engine::new(EngineConfig { series, ..EngineConfig::default() }, now);
    for n in 0..SERIES / 4 {
        let key = ServiceKey { transport: Transport::Tcp, port: n as u16, role: Role::Server };
        let n = u64::from(n);
        engine.ledger_mut().families_mut().services.add(&key, [n * 1_000_003, n * 70_001, n * 7, n * 3], now);
    }
    let own = Own::new().expect("instruments");
    let events = Events::default();
    let kernel = KernelStatus::default();
    for (name, format) in [("text 0.0.4", Format::Text), ("OpenMetrics", Format::OpenMetrics)] {
        let mut page = Vec::new();
        let mut zipped = 0;
        let (mut plain, mut both) = (Vec::new(), Vec::new());
        for _ in 0..rounds(ROUNDS, 3) {
            let context = Context {
                kernel: &kernel,
                own: &own,
                events: &events,
                created: true,
                config_ok: true,
                undirected: None,
            };
            let start = cpu_time();
            page =
                prometheus::write(&engine, &context, format, Vec::with_capacity(page.len() + page.len() / 8));
            let written = cpu_time();
            let compressed = compress(&page, zipped + zipped / 8);
            zipped = compressed.len();
            plain.push((written - start) as f64 / 1e6);
            both.push((cpu_time() - start) as f64 / 1e6);
        }
        let lines = page.split(|b| *b == b'\n').filter(|l| l.starts_with(b"weir_service_io")).count();
        println!(
            "{name}: {lines} series of services, {} KiB, {} KiB compressed",
            page.len() >> 10,
            zipped >> 10
        );
        let what = |kind| format!("{name}, 100,000 series, {kind}");
        let unit = "ms of CPU";
        at_most(Found::median("scrape", &what("plain"), unit, &mut plain), 20.0).tell();
        at_most(Found::median("scrape", &what("compressed"), unit, &mut both), 80.0).tell();
    }
}
