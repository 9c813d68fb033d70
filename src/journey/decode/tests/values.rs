//! Values and formats: what is read where, and how exactly.

use super::{land, landed_at, nested_sensors, nested_with};

#[test]
fn numbers_are_the_nearest_floats_and_keep_the_sign_of_zero() {
    for text in [
        "-0.0",
        "0",
        "-0",
        "1E5",
        "1e-7",
        "5e-324",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "9007199254740993",
        "0.1000000000000000055511151231257827021181583404541015625",
        "123456789012345678901234567890",
        "3.14159265358979323846264338",
        "1e-999",
        "0.30000000000000004",
        "8.5e+2",
    ] {
        let landed = land(nested_sensors(&format!(r#""temperature":{{"value":{text} , "unit":"K"}}"#)));
        let value: f64 = landed.column("temperature").parse().unwrap();
        assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
    }
}

#[test]
fn booleans_are_taken_as_words_and_as_numbers() {
    for (text, expected) in [
        ("true", "true"),
        ("false", "false"),
        ("\"on\"", "true"),
        ("\"OFF\"", "false"),
        ("\"On\"", "true"),
        ("\"true\"", "true"),
        ("\"False\"", "false"),
        ("1", "true"),
        ("0", "false"),
        ("1.0", "true"),
        ("0e0", "false"),
        ("-0", "false"),
    ] {
        assert_eq!(
            land(nested_sensors(&format!(r#""switch_status":{{"value":{text}}}"#))).column("switch_status"),
            expected,
            "{text}"
        );
    }
}

#[test]
fn the_format_is_found_from_the_members_at_the_top() {
    for (members, format) in [
        (r#""sensors":{}"#, "nested"),
        (r#""sensors":{},"value":1"#, "nested"),
        (r#""sensors":{},"device_info":{"model":"m"}"#, "nested"),
        (r#""sensors":{},"device_type":"t""#, "device"),
        (r#""sensors":{},"last_seen":1"#, "device"),
        (r#""sensors":{},"created_at":1"#, "device"),
        (r#""sensors":{},"device_info":{"manufacturer":"m"}"#, "device"),
        (r#""value":1"#, "single"),
        (r#""value":null"#, "single"),
        (r#""sensors":[],"value":1"#, "single"),
        (r#""sensors":null"#, "flat"),
        (r#""temperature":1"#, "flat"),
    ] {
        let landed = land(format!(r#"{{"device_id":"d","timestamp":1763650000,{members}}}"#));
        assert_eq!(landed.column("format"), format, "{members}");
    }
}

#[test]
fn a_floor_is_a_whole_number_or_one_as_text() {
    for (floor, expected) in [
        ("3", Some("3")),
        ("-2", Some("-2")),
        ("\"3\"", Some("3")),
        ("3.0", Some("3")),
        ("3.5", None),
        ("\"3F\"", None),
        ("99999999999", None),
        ("true", None),
    ] {
        assert_eq!(land(nested_with(&format!(r#""location":{{"floor":{floor}}}"#))).maybe("floor"), expected, "{floor}");
    }
}

#[test]
fn places_may_be_numbers() {
    let landed = land(nested_with(r#""location":{"building":1,"room":301,"zone":2.50}"#));
    assert_eq!((landed.column("building"), landed.column("room"), landed.column("zone")), ("1", "301", "2.50"));
    assert_eq!(landed.maybe("extra"), None);
}

#[test]
fn a_flat_location_is_the_building_or_an_object() {
    let text = land(r#"{"device_id":"d","timestamp":1763650000,"location":7}"#);
    assert_eq!(text.column("building"), "7");
    let object = land(r#"{"device_id":"d","timestamp":1763650000,"location":{"building":"b","floor":1}}"#);
    assert_eq!((object.column("building"), object.column("floor")), ("b", "1"));
}

#[test]
fn a_single_battery_is_found_in_the_metadata_or_at_the_top() {
    let battery = |members: &str| {
        let message = format!(r#"{{"device_id":"d","timestamp":1763650000,"device_type":"humidity","value":1,{members}}}"#);
        let landed = land(message);
        assert_eq!(landed.column("humidity"), "1.0");
        (landed.maybe("battery").map(str::to_owned), landed.maybe("extra").map(str::to_owned))
    };
    assert_eq!(battery(r#""metadata":{"battery_level":1}"#), (Some("1.0".into()), None));
    assert_eq!(battery(r#""metadata":{"battery":2}"#), (Some("2.0".into()), None));
    assert_eq!(battery(r#""battery_level":3"#), (Some("3.0".into()), None));
    let both = battery(r#""battery_level":3,"metadata":{"battery_level":1}"#);
    assert_eq!(both, (Some("1.0".into()), Some(r#"{"battery_level":3}"#.into())));
}

#[test]
fn a_bare_value_in_place_of_a_sensor_object_is_its_value() {
    let landed = land(nested_sensors(r#""temperature":21.5,"humidity":"wet""#));
    assert_eq!((landed.column("temperature"), landed.maybe("temperature_unit")), ("21.5", None));
    assert_eq!(landed.column("humidity_quality"), "bad_value");
    assert_eq!(landed.column("extra"), r#"{"sensors.humidity":"wet"}"#);
}

#[test]
fn escaped_keys_and_strings_are_read() {
    let landed = land(
        r#"{"d\u0065vice_id":"\u0041\ud83d\ude00\n","\u0074imestamp":1763650000,"sensors":{"temperature":{"value":1,"unit":"\u00b0C"}}}"#,
    );
    assert_eq!((landed.column("device_id"), landed.column("temperature_unit")), ("A😀\n", "°C"));
}

#[test]
fn bare_numbers_are_known_outside_of_strings_only() {
    let landed = land(nested_with(r#""location":{"building":"NaN, [Infinity]","floor":NaN},"x":[NaN ,-Infinity, Infinity]"#));
    assert_eq!((landed.column("building"), landed.maybe("floor")), ("NaN, [Infinity]", None));
    assert_eq!(landed.column("extra"), r#"{"location.floor":"NaN","x":["NaN","-Infinity","Infinity"]}"#);
}

#[test]
fn a_record_without_kafka_time_has_none() {
    assert_eq!(landed_at(&[Some(super::NESTED)], -1)[0].maybe("kafka_time"), None);
}
