//! Whose the traffic is, as the page shows it.

use crate::agent::cable;

use super::rig::{Page, Site, agent};

#[test]
fn a_process_leads_to_its_flows_and_the_map_begins_with_processes_when_asked() {
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let _agent = agent(&here);
    let _slow = site.receive("slow.example.org");
    let page = Page::open(&here, "");
    page.wait_for("a process", "!!document.querySelector('.owners tbody td a')");
    let process = page.text(".owners tbody td a");
    page.press(".owners tbody td a");
    let filter = crate::netns::wait_for("a filter", || {
        let filter = page.value("document.querySelector('#filter').value");
        filter.as_str().filter(|filter| !filter.is_empty()).map(str::to_owned)
    });
    assert!(filter.contains(&format!("process \"{process}\"")), "{filter}");
    page.wait_for("its flows alone", "document.querySelectorAll('.flows tbody tr').length === 1");
    assert_eq!(page.text(".flows tbody th a"), "slow.example.org");
    assert!(page.text(".flows tbody tr").contains(&process), "{process}");
    page.value("document.querySelector('.map .choice label:nth-of-type(3) input').click()");
    let named =
        format!("[...document.querySelectorAll('.sankey text')].some(t => t.textContent === '{process}')");
    page.wait_for("the process in the map", &named);
    page.press(".flows tbody th a");
    page.wait_for(
        "the flow's owner",
        "[...document.querySelectorAll('.facts dt')].some(d => d.innerText === 'Process')",
    );
    assert_eq!(page.complaints(), [""; 0]);
}
