//! The page behind a reverse proxy, below a path of it.

use crate::{
    agent::{ADDRESS, Running, cable, weir},
    names::wait_for_listener,
    netns::wait_for,
};

use super::rig::{Page, Site};

/// nginx passes `/monitor/` on, to this target.
fn proxy(directory: &tempfile::TempDir, target: &str) -> String {
    let root = directory.path().to_str().expect("a path");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("{kind}_temp_path {root}/{kind};")).concat();
    let configuration = format!(
        "daemon off; master_process off; pid {root}/nginx.pid; error_log stderr warn;
        events {{}}
        http {{
            access_log off; {temporary}
            server {{
                listen 127.0.0.1:8081;
                location /monitor/ {{
                    proxy_pass http://{target}; proxy_set_header Host weir.example.org; proxy_buffering off;
                    proxy_http_version 1.1; proxy_set_header Connection '';
                }}
            }}
        }}"
    );
    let path = directory.path().join("nginx.conf");
    std::fs::write(&path, configuration).expect("a file");
    path.to_str().expect("a path").to_owned()
}

#[test]
fn the_page_works_below_a_path_of_a_proxy_that_takes_it_off_or_leaves_it() {
    let outside = "--web.external-url=http://weir.example.org/monitor";
    for (target, prefix) in
        [(format!("{ADDRESS}/"), Some("--web.route-prefix=/")), (ADDRESS.to_owned(), None)]
    {
        let (here, there) = cable();
        let directory = tempfile::tempdir().expect("a directory");
        let configuration = proxy(&directory, &target);
        let root = directory.path().to_str().expect("a path");
        let arguments = ["-e", "stderr", "-p", root, "-c", &configuration];
        let _proxy = Running::start(here.command("nginx", &arguments));
        wait_for_listener(&here, "t", 8081);
        let site = Site::start(&here, &there);
        let options: Vec<&str> =
            ["run", "--interface=eth0", "--drain-interval=1s", outside].into_iter().chain(prefix).collect();
        let _agent = Running::start(weir(&here, &options));
        let ready = "curl -sf -o /dev/null http://127.0.0.1:8081/monitor/-/ready && echo yes || true";
        wait_for("the agent behind the proxy", || here.sh(ready).contains("yes").then_some(()));
        let page = Page::open_at(&here, "http://127.0.0.1:8081/monitor/");
        let _slow = site.receive("slow.example.org");
        page.wait_for("an area", "document.querySelectorAll('.treemap li.domain').length === 1");
        // What it links to is there, too.
        let linked = "[...document.querySelectorAll('footer a')].map(link => new URL(link.href).pathname)";
        let paths: Vec<String> = serde_json::from_value(page.value(linked)).expect("paths");
        assert!(paths.len() >= 6 && paths.contains(&"/monitor/metrics".to_owned()), "{paths:?}");
        for path in paths {
            here.sh(&format!("curl -sf -o /dev/null http://127.0.0.1:8081{path}"));
        }
        assert_eq!(page.complaints(), [""; 0]);
        // Whoever asks the server itself is led to the page.
        let seen =
            here.sh(&format!("curl -s -o /dev/null -w '%{{http_code}} %{{redirect_url}}' http://{ADDRESS}/"));
        let expected = prefix.map_or_else(|| format!("302 http://{ADDRESS}/monitor/"), |_| "200 ".to_owned());
        assert_eq!(seen.trim_end(), expected.trim_end());
    }
}
