//! The demo's router: each flow passes two of its interfaces.

use serde_json::Value;

use super::demo::Demo;
use crate::{
    agent::get,
    netns::wait_for,
    prometheus::{escaped, whole},
};

/// An answer of the router's API.
fn api(demo: &Demo, path: &str) -> Option<Value> {
    let answer = get(demo.page("router"), path, "")?;
    let chunked = answer.head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { whole(&answer.body)? } else { answer.body };
    serde_json::from_str(&body).ok()
}

fn flows(demo: &Demo, more: &str) -> Option<Vec<Value>> {
    let answer = api(demo, &format!("/api/v1/flows?limit=1000{more}"))?;
    answer["flows"].as_array().cloned()
}

/// What tells flows apart on one layer 2 network.
fn tuple(flow: &Value) -> String {
    let part = |key: &str| flow[key].to_string();
    ["transport", "client_ip", "client_port", "server_ip", "server_port"].map(part).join(" ")
}

/// Whether it was seen by the interface of its LAN and by the one of the Internet, and by no other.
fn passes(flow: &Value) -> bool {
    let interfaces = flow["interfaces"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut interfaces: Vec<&str> = interfaces.collect();
    interfaces.sort_unstable();
    matches!(interfaces[..], ["lan0" | "radio0", "wan0"])
}

/// Bytes that its LAN sent and got.
fn sides(flow: &Value) -> [(&str, u64); 2] {
    ["sent", "received"].map(|side| {
        let side = &flow[side];
        (side["direction"].as_str().unwrap_or_default(), side["bytes"].as_u64().unwrap_or_default())
    })
}

#[test]
fn the_router_shows_one_row_a_flow_with_in_and_out_as_its_lan_sees_them() {
    let demo = Demo::start(&[]);
    // A download of the desk: most bytes come in, through the WAN.
    let down = format!(
        "&filter={}",
        escaped("client net 192.168.0.0/16 and server net 203.0.113.0/24 and tcp and bytes > 20K")
    );
    // A drain reads the sides of a flow one after the other: a new one may have come by one interface so far.
    let all = wait_for("downloads of the LAN, each by both of its interfaces", || {
        flows(&demo, &down).filter(|flows| flows.len() >= 3 && flows.iter().all(passes))
    });
    for flow in &all {
        assert_eq!(flow["role"], "forwarded", "{flow}");
        assert_eq!(sides(flow).map(|(direction, _)| direction), ["transmit", "receive"], "{flow}");
    }
    let [got, sent] = ["receive", "transmit"].map(|wanted| {
        all.iter()
            .flat_map(sides)
            .filter(|(direction, _)| *direction == wanted)
            .map(|(_, bytes)| bytes)
            .sum::<u64>()
    });
    assert!(got > 2 * sent, "downloads are in: {got} in, {sent} out");

    // One row a flow, and as many as the snapshot says there are; copies are there for who asks.
    wait_for("as many rows as active flows", || {
        let snapshot = api(&demo, "/api/v1/live")?;
        let answer = api(&demo, "/api/v1/flows?limit=1000&ended=false")?;
        let rows = answer["flows"].as_array()?;
        let mut tuples: Vec<String> = rows.iter().map(tuple).collect();
        tuples.sort_unstable();
        tuples.dedup();
        // Another drain may be between the two answers.
        (tuples.len() == rows.len() && answer["matched"] == snapshot["snapshot"]["flows"]["active"])
            .then_some(())
    });
    wait_for("copies", || {
        let [rows, copies] = ["", "&copies=true"].map(|more| flows(&demo, &format!("&ended=false{more}")));
        let (rows, copies) = (rows?, copies?);
        let marked = copies.iter().filter(|flow| flow["duplicate"] == true).count();
        (marked > 0 && copies.len() > rows.len() && rows.iter().all(|flow| flow["duplicate"] == false))
            .then_some(())
    });

    // As the LAN's interface sees it, what is downloaded goes out.
    let there = wait_for("downloads by lan0", || {
        flows(&demo, &format!("{down}&interface=lan0")).filter(|flows| !flows.is_empty())
    });
    for flow in &there {
        assert_eq!(sides(flow).map(|(direction, _)| direction), ["receive", "transmit"], "{flow}");
    }
    // Its throughput has a past of its own.
    wait_for("the past of lan0", || {
        let past = api(&demo, "/api/v1/history?interface=lan0")?;
        let any = |column: &str| {
            past[column].as_array()?.iter().any(|rate| rate.as_f64() > Some(0.0)).then_some(())
        };
        any("received_bytes_per_second").and(any("transmitted_bytes_per_second"))
    });
    assert!(api(&demo, "/api/v1/history?range=86400").is_some_and(|day| day["step_seconds"] == 60.0));

    // What was refused is over after two seconds and found for a while.
    wait_for("a refused flow that ended", || {
        let refused = flows(&demo, &format!("&filter={}", escaped("state refused")))?;
        refused.iter().any(|flow| flow["end"].is_string() && flow["end_reason"] == "rst").then_some(())
    });
}
