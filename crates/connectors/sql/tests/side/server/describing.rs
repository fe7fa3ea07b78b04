//! What the description tells of columns, rights and promises.

use crate::rig::{SERVER, Shop, collection};
use duet_core::id::Column;
use duet_core::spec::ColumnSpec;
use duet_core::value::ValueType;
use duet_ports::connector::{Connector, Description};

const MIXED: &str = "
CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad');
CREATE DOMAIN short AS varchar(5) NOT NULL;
CREATE TABLE mixed (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, small smallint NOT NULL DEFAULT 3,
    price numeric(10, 2), ratio real, wide double precision, name varchar(40), code char(5),
    body text, flag boolean, day date, local timestamp(3), at timestamptz, ref uuid UNIQUE,
    mood mood, tags text[], twice int GENERATED ALWAYS AS (small * 2) STORED, short short,
    extra jsonb, a int, b int, UNIQUE (a, b))";

fn spec<'a>(about: &'a Description, name: &str) -> &'a ColumnSpec {
    about.columns.get(name).unwrap_or_else(|| panic!("{name} is described"))
}

#[tokio::test]
async fn columns_have_their_types_and_bounds() {
    let shop = Shop::bare(SERVER, MIXED, "mixed").await;
    let about = shop.side.describe(&shop.collection).await.expect("the table is there");
    let kinds = [
        ("id", ValueType::Integer),
        ("small", ValueType::Integer),
        ("price", ValueType::Decimal),
        ("ratio", ValueType::Decimal),
        ("wide", ValueType::Decimal),
        ("name", ValueType::Text),
        ("code", ValueType::Text),
        ("body", ValueType::Text),
        ("flag", ValueType::Boolean),
        ("day", ValueType::Date),
        ("local", ValueType::Instant),
        ("at", ValueType::Instant),
        ("ref", ValueType::Text),
        ("mood", ValueType::Text),
        ("tags", ValueType::Set),
        ("extra", ValueType::Text),
    ];
    for (name, kind) in kinds {
        assert_eq!(spec(&about, name).kind, kind, "{name}");
    }
    assert_eq!(spec(&about, "small").range, Some((-32768, 32767)));
    assert_eq!((spec(&about, "price").precision, spec(&about, "price").scale), (Some(10), Some(2)));
    assert_eq!(spec(&about, "price").canon.scale, Some(2));
    assert!(spec(&about, "ratio").canon.single_precision);
    assert_eq!(spec(&about, "name").max_length, Some(40));
    assert_eq!(spec(&about, "short").max_length, Some(5));
    assert!(spec(&about, "code").canon.padded);
    assert_eq!(spec(&about, "local").canon.instant_grain_us, Some(1000));
    let labels = ["sad", "ok", "glad"].map(str::to_owned).to_vec();
    assert_eq!(spec(&about, "mood").allowed, Some(labels));
}

#[tokio::test]
async fn what_may_be_written_and_what_is_unique_is_told() {
    let shop = Shop::bare(SERVER, MIXED, "mixed").await;
    let about = shop.side.describe(&shop.collection).await.expect("the table is there");
    assert!(!spec(&about, "id").createable && !spec(&about, "twice").updateable);
    assert!(!spec(&about, "small").nullable && !spec(&about, "short").nullable);
    assert!(spec(&about, "name").nullable && spec(&about, "name").updateable);
    assert_eq!(about.key, [Column::from("id")]);
    assert_eq!(about.unique, ["id", "ref"].map(Column::from));
    assert!(about.may.create && about.may.update && about.may.delete);
}

#[tokio::test]
async fn names_are_found_as_sql_finds_them() {
    let shop =
        Shop::bare(SERVER, "CREATE SCHEMA web; CREATE TABLE web.items (id int PRIMARY KEY)", "x")
            .await;
    for name in ["web.items", "WEB.Items", "\"web\".\"items\""] {
        let about = shop.side.describe(&collection("items", name)).await;
        assert!(about.is_ok(), "{name}");
    }
    for name in ["items", "\"WEB\".items", "", "web.", "a.b.c.d"] {
        let refused = shop.side.describe(&collection("items", name)).await;
        assert!(refused.is_err(), "{name}");
    }
}

#[tokio::test]
async fn row_security_takes_away_the_evidence() {
    let shop = Shop::items(SERVER).await;
    let reader = shop.role("reader").await;
    shop.run(&format!(
        "GRANT ALL ON items TO {reader}; GRANT USAGE ON SCHEMA duet TO {reader};
         GRANT ALL ON ALL TABLES IN SCHEMA duet TO {reader};
         INSERT INTO items (title) VALUES ('a');
         ALTER TABLE items ENABLE ROW LEVEL SECURITY"
    ))
    .await;
    let side = shop.as_role(&reader);
    let about = side.describe(&shop.collection).await.expect("the table is there");
    assert!(about.remarks.iter().any(|it| it.text.contains("row security")));
    let found = side.read(&shop.collection, &["1".into()]).await.expect("it can be read");
    let presence = &found[0].observation.presence;
    let hidden = duet_core::observation::Absence::Visibility;
    assert_eq!(*presence, duet_core::observation::Presence::OutOfScope(hidden));
    shop.drop_role(&reader).await;
}
