use super::*;

/// Loads a file's text under an environment and flags, as `weir run` would.
fn load(toml: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Loaded, ConfigError> {
    let command = Overrides::augment_args(Command::new("weir").no_binary_name(true));
    let overrides = Overrides::from_arg_matches(&command.get_matches_from(flags)).unwrap();
    let variables = environment.iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
    let layers = Layers::default()
        .with_flags(&overrides.flags)
        .with_environment(variables)?
        .with_file(Path::new("weir.toml"), toml)?;
    let (config, effective) = Config::read(&layers)?;
    config.validate()?;
    Ok(Loaded { config, effective, file: None, unknown_variables: layers.unknown_variables })
}

fn error(toml: &str) -> String {
    load(toml, &[], &[]).unwrap_err().to_string()
}

fn source(loaded: &Loaded, key: &str) -> String {
    loaded.effective.iter().find(|e| e.setting.key == key).unwrap().source.to_string()
}

#[test]
fn every_default_is_a_valid_value() {
    let loaded = load("", &[], &[]).unwrap();
    assert_eq!(loaded.effective.len(), SETTINGS.len());
    assert!(loaded.effective.iter().zip(SETTINGS).all(|(e, s)| e.setting.key == s.key));
    assert_eq!(loaded.config.max_flows.get(), 131_072);
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let toml = "max-flows = 1000\n[timeout]\ntcp = \"1h\"\nudp = \"2m\"\n";
    let environment = [("WEIR_TIMEOUT_TCP", "2h"), ("WEIR_MAX_FLOWS", "2000"), ("PATH", "/")];
    let loaded = load(toml, &environment, &["--max-flows=3000"]).unwrap();
    assert_eq!(loaded.config.max_flows.get(), 3000);
    assert_eq!(loaded.config.timeout_tcp.get().as_secs(), 7200);
    assert_eq!(loaded.config.timeout_udp.get().as_secs(), 120);
    assert_eq!(source(&loaded, "max-flows"), "flag --max-flows");
    assert_eq!(source(&loaded, "timeout.tcp"), "environment WEIR_TIMEOUT_TCP");
    assert_eq!(source(&loaded, "timeout.udp"), "weir.toml:4");
    assert_eq!(source(&loaded, "timeout.rst"), "default");
}

#[test]
fn what_is_printed_is_a_file_that_means_the_same() {
    let toml = "interface = [\"eth*\", \"lo\"]\nservices = { \"8443/tcp\" = \"shop\" }\nweb.config.file = \"/w\"\n\
                [protocols.htcpcp]\nlike = \"http\"\nports = [5030, 5031]\n";
    let first = load(toml, &[], &["--promiscuous"]).unwrap();
    let again = load(&table(&first.effective), &[], &[]).unwrap();
    assert_eq!(first.config, again.config);
    assert!(first.config.promiscuous);
}

#[test]
fn unknown_keys_name_their_line_and_the_nearest_key() {
    assert_eq!(
        error("\n\nmax_flow = 3\n"),
        "weir.toml:3: unknown key \"max_flow\"; did you mean \"max-flows\"? `weir config` lists all keys"
    );
    assert!(
        error("[web]\ntelemetry-pth = \"/m\"").contains("weir.toml:2: unknown key \"web.telemetry-pth\"")
    );
    assert!(error("telemetry-path = \"/m\"").contains("did you mean \"web.telemetry-path\""));
    // As many letters are wrong as are right: nothing is near.
    assert_eq!(error("bogus = 1"), "weir.toml:1: unknown key \"bogus\"; `weir config` lists all keys");
    assert!(error("zzzzzzzzzz = 1").ends_with("; `weir config` lists all keys"));
    assert!(error("[zzzzzzzzzz]\na = 1").contains("weir.toml:1"));
}

#[test]
fn bad_values_name_where_they_stand() {
    assert_eq!(
        error("ingress = \"xpd\""),
        "weir.toml:1: ingress: \"xpd\" is not a valid value; use one of tc, xdp, xdp-generic"
    );
    let one = |toml: &str, place: &str| {
        let error = error(toml);
        assert!(error.starts_with(place), "{error}");
    };
    // A line of its own, whichever it is in the order of the alphabet.
    one("[services]\n8443 = \"shop\"\n\nbogus = \"b\"\n9000 = \"c\"\n", "weir.toml:4: services: ");
    one("[services]\n8443 = \"shop\"\n9000 = [1]\n8080 = {a = {}}\n", "weir.toml:4: services takes ");
    one("[tunnel]\nvxlan = [\n  4789,\n  70000,\n]\n", "weir.toml:4: tunnel.vxlan: ");
    assert!(error("a =").starts_with("weir.toml:1: not TOML: "));
    assert!(error("max-flows = [1]").contains("takes a single value, not a list"));
    assert!(error("services = 3").contains("takes a table, not a number"));
    let e = load("", &[("WEIR_DRAIN_INTERVAL", "5")], &[]).unwrap_err().to_string();
    assert!(e.starts_with("environment WEIR_DRAIN_INTERVAL: \"5\" is not a duration"), "{e}");
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    assert!(error("tunnel.vxlan = [1, 2, 3]").contains("give at most 2"));
    assert!(error("services = { 80 = \"\u{e9}\" }").contains("printable ASCII"));
    assert!(error("tunnel.gre = 6081").contains("port 6081 is already that of tunnel.geneve"));
    assert!(error("series.family = { nope = 3 }").contains("use one of service_io, peer_io, domain_io"));
    assert!(load("tunnel.gre = 0\ntunnel.mpls = 0", &[], &[]).is_ok());
}

#[test]
fn protocols_of_ones_own_have_ports_and_what_they_are_like() {
    let file = load("[protocols.htcpcp]\nlike = \"http\"\nports = [5030, 5031]", &[], &[]).unwrap().config;
    let flag = load("", &[], &["--protocols=htcpcp=like=http;ports=5030+5031"]).unwrap().config;
    assert_eq!(file, flag);
    let services = file.service_table().unwrap();
    assert_eq!(services.name(Transport::Tcp, 5031), "htcpcp");
    assert!(services.is_configured(Transport::Tcp, 5030));
    assert!(error("[protocols.x]\nlike = \"smtp\"\nports = [1]").contains("use one of http"));
    for wrong in
        ["like = \"http\"", "ports = [1]", "like = \"http\"\nports = [0]", "like = \"http\"\nport = 1"]
    {
        let error = error(&format!("[protocols.x]\n{wrong}"));
        assert!(error.contains("is not a protocol; give like and ports"), "{wrong}: {error}");
    }
    let twice = "[protocols]\na = { like = \"http\", ports = [1] }\nb = { like = \"http\", ports = [1] }";
    assert!(error(twice).contains("port 1 is already that of protocols"));
    assert_eq!(file.public_names, ["cloudflare-ech.com"]);
}

#[test]
fn lists_are_repeated_or_separated_by_commas() {
    let loaded = load("", &[], &["--interface=a,b", "--interface=c"]).unwrap();
    let names: Vec<_> = loaded.config.interface.iter().map(|p| p.as_str().to_owned()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let loaded = load("", &[("WEIR_SERVICES", "1=a, 2/udp=b")], &[]).unwrap();
    assert_eq!(loaded.config.services.len(), 2);
}

#[test]
fn foreign_variables_are_noticed_not_refused() {
    let loaded = load("", &[("WEIR_PORT_10058_TCP", "x"), ("WEIR_CONFIG_FILE", "y")], &[]).unwrap();
    assert_eq!(loaded.unknown_variables, ["WEIR_PORT_10058_TCP"]);
}

#[test]
fn a_reload_keeps_what_cannot_change_and_names_it() {
    let running = load("", &[], &[]).unwrap().config;
    let mut new = load("max-flows = 64\ndrain-interval = \"2s\"", &[], &[]).unwrap().config;
    assert_eq!(new.keep_fixed(&running), ["max-flows"]);
    assert_eq!(new.max_flows, running.max_flows);
    assert_eq!(new.drain_interval.get().as_secs(), 2);
}
