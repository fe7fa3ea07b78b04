//! Collections, keys and filters that a side can't take: told with their place in the file, like any
//! other mistake of the configuration, by every command that describes the sides.

use crate::rig::Rig;

const LEFT: &str = "connection = \"crm\", object = \"Account\"";
const RIGHT: &str = "connection = \"shop\", table = \"customers\", key = \"customer_id\"";

/// What is written instead, the code, the line, and words of the message.
const MISTAKES: [(&str, &str, &str, &str, &[&str]); 8] = [
    (LEFT, "connection = \"crm\", object = \"Acount\"", "D0718", "3:", &["no object Acount"]),
    (RIGHT, "connection = \"shop\", table = \"nowhere\"", "D0718", "4:", &["no table nowhere"]),
    (RIGHT, "connection = \"shop\", table = \"keyless\"", "D0702", "4:", &["no primary key"]),
    (
        RIGHT,
        "connection = \"shop\", table = \"customers\", key = \"nothing\"",
        "D0702",
        "4:",
        &["no column nothing"],
    ),
    (
        RIGHT,
        "connection = \"shop\", table = \"customers\", key = \"city\"",
        "D0719",
        "4:",
        &["not unique"],
    ),
    (LEFT, "connection = \"crm\", object = \"Account\", key = \"Name\"", "D0719", "3:", &["is Id"]),
    (
        RIGHT,
        "connection = \"shop\", table = \"customers\", key = \"customer_id\", where = \"nonsense\"",
        "D0720",
        "4:",
        &["the filter can't be used"],
    ),
    (
        LEFT,
        "connection = \"crm\", object = \"Account\", where = \"Nonsense__c = 1\"",
        "D0720",
        "3:",
        &["the filter is refused"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_side_cannot_take_is_told_with_its_place() {
    let rig = Rig::new().await;
    rig.done(&["migrate"]);
    rig.done(&["capture", "install"]);
    rig.sell("CREATE TABLE keyless (customer_id text, company_name text)").await;
    let file = rig.project.folder().join("flows/customers.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    for (from, to, code, line, words) in MISTAKES {
        assert!(good.contains(from), "{good}");
        std::fs::write(&file, good.replace(from, to)).unwrap();
        for arguments in [&["check"][..], &["sync", "--once"], &["adopt"]] {
            let done = rig.duet(arguments);
            let told = format!("{arguments:?} {to}\n{}\n{}", done.out, done.err);
            assert_eq!(done.code, Some(4), "{told}");
            let all = format!("{}{}", done.out, done.err);
            assert!(all.contains(&format!("error[{code}]")), "{told}");
            assert!(all.contains(&format!("flows/customers.toml:{line}")), "{told}");
            assert!(words.iter().all(|word| all.contains(word)), "{told}");
        }
    }
    std::fs::write(&file, good).unwrap();
    assert_eq!(rig.duet(&["check"]).code, Some(0));
}
