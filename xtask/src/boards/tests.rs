use serde_json::Value;

use super::*;

/// Every panel of a board, without the headings.
fn panels(board: &Value) -> Vec<&Value> {
    board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").collect()
}

#[test]
fn each_board_has_a_uid_of_its_own_and_all_have_forty_panels_or_more() {
    let boards: Vec<Value> = all().iter().map(Board::json).collect();
    let uids: BTreeSet<&str> = boards.iter().map(|board| board["uid"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), all().len());
    let count: usize = boards.iter().map(|board| panels(board).len()).sum();
    assert!(count >= 40, "{count}");
}

#[test]
fn every_panel_says_what_it_answers_in_which_unit_and_from_where_on_it_is_bad() {
    for board in all().iter().map(Board::json) {
        for panel in panels(&board) {
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(panel["description"].as_str().unwrap().len() > 10, "{panel}");
            assert!(!defaults["unit"].as_str().unwrap().is_empty(), "{panel}");
            assert!(!defaults["thresholds"]["steps"].as_array().unwrap().is_empty(), "{panel}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty() && targets.len() <= 26, "{panel}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
        }
    }
}

#[test]
fn steps_of_thresholds_ascend_from_the_first_that_has_no_value() {
    for board in all().iter().map(Board::json) {
        for panel in panels(&board) {
            let steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().unwrap();
            assert_eq!(steps[0]["value"], Value::Null, "{panel}");
            let values: Vec<f64> = steps[1..].iter().map(|step| step["value"].as_f64().unwrap()).collect();
            assert!(values.is_sorted_by(|a, b| a < b), "{panel}");
        }
    }
}

#[test]
fn panels_lie_within_the_grid_and_upon_nothing() {
    for board in all().iter().map(Board::json) {
        let mut taken = BTreeSet::new();
        for panel in board["panels"].as_array().unwrap() {
            let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            assert!(place("x") + place("w") <= 24, "{panel}");
            for x in place("x")..place("x") + place("w") {
                for y in place("y")..place("y") + place("h") {
                    assert!(taken.insert((x, y)), "{panel}");
                }
            }
        }
    }
}

#[test]
fn a_board_uses_exactly_the_variables_that_it_has() {
    let built_in = ["__rate_interval", "__range"];
    for board in all() {
        let json = board.json();
        let list = json["templating"]["list"].as_array().unwrap();
        let has: BTreeSet<&str> = list.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
        let mut used: BTreeSet<&str> = ["datasource"].into();
        for query in board.panels().flat_map(|panel| &panel.queries) {
            let names = query.expression.split('$').skip(1);
            used.extend(
                names.map(|rest| rest.split(|c: char| c != '_' && !c.is_ascii_lowercase()).next().unwrap()),
            );
        }
        for name in built_in {
            used.remove(name);
        }
        assert_eq!(used, has, "{}", board.name);
    }
}

#[test]
fn links_between_boards_lead_somewhere() {
    let boards = all();
    let uids: Vec<String> = boards.iter().map(|board| format!("/d/weir-{}?", board.name)).collect();
    let mut links = 0;
    for board in &boards {
        let text = text(board).unwrap();
        for url in text.split("\"url\": \"").skip(1).filter(|url| url.starts_with("/d/")) {
            assert!(uids.iter().any(|uid| url.starts_with(uid.as_str())), "{url:.60}");
            links += 1;
        }
        assert!(text.contains("\"includeVars\": true"));
    }
    assert!(links >= 3);
}

#[test]
fn a_renamed_metric_is_found_in_the_boards() {
    let list = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md")).unwrap();
    let renamed = list.replace("`weir_flows_active`", "`weir_flows_living`");
    let vocabulary = Vocabulary::of(&renamed);
    let boards = all();
    let queries = boards.iter().flat_map(Board::panels).flat_map(|panel| &panel.queries);
    let unknown: BTreeSet<String> =
        queries.flat_map(|query| vocabulary.unknown(&query.expression, &[])).collect();
    assert_eq!(unknown, ["docs/metrics.md has no weir_flows_active".to_owned()].into());
}
