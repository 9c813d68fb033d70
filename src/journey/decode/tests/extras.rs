//! What has no column: kept under its path, or known to need none.

use super::{land, nested_sensors, nested_with};

fn extra(message: impl AsRef<[u8]>) -> Option<String> {
    land(message).maybe("extra").map(str::to_owned)
}

#[test]
fn an_unknown_member_is_kept_whole_under_its_path_in_order_of_appearance() {
    let message = nested_with(
        r#""z":1,"location":{"latitude":31.20,"building":"b","longitude":-0.0},"a":{"b":[1, {"c" : null}]},
           "device_info":{"manufacturer":"M"}"#,
    );
    let expected = concat!(
        r#"{"z":1,"location.latitude":31.20,"location.longitude":-0.0,"a":{"b":[1,{"c":null}]},"#,
        r#""device_info.manufacturer":"M"}"#
    );
    assert_eq!(extra(message).as_deref(), Some(expected));
}

#[test]
fn unconfigured_sensors_and_unknown_members_of_configured_ones_are_kept() {
    let message =
        nested_sensors(r#""custom":{"vibration_mm_s":1.8},"temperature":{"value":1,"min":0,"max":9,"accuracy":0.1},"co2":400"#);
    let expected = r#"{"sensors.custom":{"vibration_mm_s":1.8},"sensors.temperature.accuracy":0.1,"sensors.co2":400}"#;
    assert_eq!(extra(message).as_deref(), Some(expected));
}

#[test]
fn what_needs_no_column_is_not_kept() {
    let message = r#"{"message_id":"m","message_type":"device_data","headers":{"a":1},"payload":{"batch_size":1,"batch_id":"b","device":
        {"device_id":"d","timestamp":1763650000,"created_at":"x","updated_at":1,
         "sensors":{"last_update":1,"temperature":{"value":1,"min":0,"max":1}}}}}"#;
    assert_eq!(extra(message), None);
}

#[test]
fn a_member_of_a_wrong_type_is_kept_where_its_column_is_null() {
    let message = nested_with(
        r#""location":{"building":["b"],"floor":"3F","room":null},"status":7,"device_type":true,
           "device_info":{"battery":"high","signal_strength":1e999,"model":{}}"#,
    );
    let landed = land(&message);
    for column in ["building", "floor", "room", "status", "device_type", "battery", "signal_strength", "model"] {
        assert_eq!(landed.maybe(column), None, "{column}");
    }
    let expected = concat!(
        r#"{"location.building":["b"],"location.floor":"3F","status":7,"device_type":true,"#,
        r#""device_info.battery":"high","device_info.signal_strength":"1e999","device_info.model":{}}"#
    );
    assert_eq!(landed.column("extra"), expected);
    assert_eq!(
        extra(nested_with(r#""location":"A栋","device_info":[1]"#)).as_deref(),
        Some(r#"{"location":"A栋","device_info":[1]}"#)
    );
}

#[test]
fn a_bad_value_is_kept_as_it_was_sent() {
    assert_eq!(
        extra(nested_sensors(r#""temperature":{"value":"hot","unit":3},"humidity":{"value":NaN},"current":{"value":-Infinity}"#))
            .as_deref(),
        Some(
            r#"{"sensors.temperature.value":"hot","sensors.temperature.unit":3,"sensors.humidity.value":"NaN","sensors.current.value":"-Infinity"}"#
        )
    );
}

#[test]
fn numbers_that_no_float_can_hold_are_kept_as_strings() {
    let digits = "9".repeat(400);
    let message = nested_with(&format!(r#""a":[1e999,-1E+999,1e-999,1e308,{digits},1]"#));
    assert_eq!(extra(message), Some(format!(r#"{{"a":["1e999","-1E+999",1e-999,1e308,"{digits}",1]}}"#)));
}

#[test]
fn strings_are_escaped_again_and_paths_with_dots_are_quoted() {
    let message = nested_with(r#""a\"\\\n\u0001é\/":"\"\\\b\u00e9\u0000","location.x":1,"location":{"x":2,"y.z":{"q":3}}"#);
    let text = extra(message).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let members = json.as_object().unwrap();
    assert_eq!(members.len(), 4, "{text}");
    assert_eq!(members["\"a\\\"\\\\\\n\\u0001é/\""], "\"\\\u{8}é\0");
    assert_eq!((&members["\"location.x\""], &members["location.x"]), (&1.into(), &2.into()));
    assert_eq!(members["location.\"y.z\""]["q"], 3);
}

#[test]
fn a_flat_message_keeps_objects_that_have_no_columns_in_it() {
    let message = r#"{"device_id":"d","timestamp":1763650000,"temperature":1,"device_info":{"model":"m"},"vibration":0.5}"#;
    assert_eq!(extra(message).as_deref(), Some(r#"{"device_info":{"model":"m"},"vibration":0.5}"#));
}

#[test]
fn a_single_sensor_that_is_not_configured_is_kept() {
    let message =
        r#"{"device_id":"d","timestamp":1763650000,"device_type":"vibration_sensor","value":1.5,"unit":"mm/s","status":"ok"}"#;
    let landed = land(message);
    assert_eq!(landed.column("extra"), r#"{"value":1.5,"unit":"mm/s"}"#);
    assert_eq!((landed.column("format"), landed.column("status")), ("single", "ok"));
}
