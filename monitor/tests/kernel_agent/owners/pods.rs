//! Containers of Kubernetes' pods, as the kubelet and containerd lay them out on a node.

use std::fs;
use std::path::Path;

use super::{Group, Maker, flow, maker, text};
use crate::agent::{Agent, THERE, cable};
use crate::prometheus::Prometheus;

const UID: &str = "3cf2b0a1-5d4e-4c3a-9f10-0a1b2c3d4e5f";
const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// One job keeps the labels that it scrapes, one does as Prometheus does by itself.
const JOBS: &str = "scrape_configs:
  - job_name: kept
    honor_labels: true
    static_configs: &targets
      - targets: [\"127.0.0.1:10058\"]
        labels: { namespace: monitoring, pod: weir-x7k2p, container: weir, node: one }
  - job_name: taken
    static_configs: *targets
global: { scrape_interval: 1s, scrape_timeout: 1s }
";

/// The directories of logs that the kubelet makes for one container.
fn logs(root: &Path) {
    let name = format!("containers/till-0_shop_pay-{ID}.log");
    for directory in ["containers", "pods", &format!("pods/shop_till-0_{UID}")] {
        fs::create_dir(root.join(directory)).expect("a directory");
    }
    fs::write(root.join(name), "").expect("a log");
}

#[test]
fn prometheus_keeps_the_labels_of_a_flows_pod_beside_those_of_its_target_where_the_job_honours_them() {
    let uid = UID.replace('-', "_");
    let Some(node) = Group::new("kubepods.slice") else { return };
    let pod = Group::below(&node, &format!("kubepods-besteffort-pod{uid}.slice"));
    let container = Group::below(&pod, &format!("cri-containerd-{ID}.scope"));
    let root = tempfile::tempdir().expect("a directory");
    logs(root.path());
    let (here, there) = cable();
    let given = format!("--owners.pod-logs={}", root.path().display());
    let agent = Agent::start(&here, &["--interface=eth0", "--owners.containers", &given]);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    Maker::of(container.within(&maker(&here, &["inpod", "tcp", THERE, "7001"]))).ended();
    let found = flow(&agent, "namespace shop and pod till-0");
    assert_eq!(text(&found, "pod_container"), "pay", "{found:#}");
    assert_eq!(text(&found, "container_id"), ID, "{found:#}");
    let page = agent.wait_for_drains();
    let named = [("namespace", "shop"), ("pod", "till-0"), ("container", "pay")];
    let bytes = page.sum("weir_container_io_bytes_total", &named);
    assert!(bytes > 0.0, "{found:#}");

    let prometheus = Prometheus::scraping(&here, JOBS);
    let sum = |labels: &str| format!("sum(weir_container_io_bytes_total{{{labels},node=\"one\"}})");
    prometheus.wait_for(&sum("job=\"kept\",namespace=\"shop\",pod=\"till-0\",container=\"pay\""), bytes);
    prometheus.wait_for(
        &sum("job=\"taken\",namespace=\"monitoring\",exported_namespace=\"shop\",exported_pod=\"till-0\""),
        bytes,
    );
    // What has no labels of its own has the target's.
    prometheus
        .wait_for("count(weir_build_info{job=\"kept\",namespace=\"monitoring\",pod=\"weir-x7k2p\"})", 1.0);
}
