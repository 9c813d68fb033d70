//! Each sample of the contract, with all of its columns.

use super::{DEVICE, ENVELOPE, ENVELOPE_ALERT, FLAT, Landed, NESTED, Row, SINGLE, land};

fn row(columns: &[(&str, &str)]) -> Row {
    let mut row: Row = columns.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
    row.insert("kafka_time".to_owned(), "1763650000500".to_owned());
    row
}

#[test]
fn nested() {
    let expected = row(&[
        ("format", "nested"),
        ("quality", "good"),
        ("event_time", "1640995200000000"),
        ("device_id", "device_001"),
        ("building", "A栋"),
        ("floor", "3"),
        ("room", "301"),
        ("model", "IOT-SENSOR-V2"),
        ("firmware", "1.2.3"),
        ("battery", "85.0"),
        ("signal_strength", "-45.0"),
        ("temperature", "25.6"),
        ("temperature_unit", "°C"),
        ("temperature_status", "normal"),
        ("humidity", "65.2"),
        ("humidity_unit", "%"),
        ("humidity_status", "normal"),
        ("pressure", "1013.25"),
        ("pressure_unit", "hPa"),
        ("pressure_status", "normal"),
        ("current", "2.5"),
        ("current_unit", "A"),
        ("current_status", "normal"),
        ("switch_status", "true"),
        ("switch_status_status", "on"),
    ]);
    assert_eq!(land(NESTED), Landed::Reading(expected));
}

#[test]
fn device() {
    let extra = concat!(
        r#"{"device_info.manufacturer":"Industrial IoT Corp","device_info.hardware":"2.1.0","#,
        r#""device_info.serial_number":"SNdevice_0042","device_info.network_type":"wifi","last_seen":1763650000123}"#
    );
    let expected = row(&[
        ("format", "device"),
        ("quality", "good"),
        ("event_time", "1763650000123000"),
        ("device_id", "device_0042"),
        ("device_type", "temperature"),
        ("status", "online"),
        ("building", "Building_1"),
        ("floor", "3"),
        ("room", "Room_9"),
        ("zone", "Zone_2"),
        ("model", "IoT-Sensor-v1.0"),
        ("firmware", "1.2.3"),
        ("battery", "92.0"),
        ("signal_strength", "-47.0"),
        ("temperature", "22.4"),
        ("temperature_unit", "°C"),
        ("temperature_status", "normal"),
        ("extra", extra),
    ]);
    assert_eq!(land(DEVICE), Landed::Reading(expected));
}

#[test]
fn envelope() {
    let extra = concat!(
        r#"{"timestamp":"1763650000","device_info.manufacturer":"Industrial IoT Corp","device_info.hardware":"2.1.0","#,
        r#""device_info.serial_number":"SN42","device_info.network_type":"lora","#,
        r#""sensors.custom":{"vibration_mm_s":1.8},"last_seen":1763650000123,"priority":"high","ttl":3600}"#
    );
    let expected = row(&[
        ("format", "envelope"),
        ("quality", "good"),
        ("event_time", "1763650000123000"),
        ("device_id", "device_0042"),
        ("device_type", "sensor"),
        ("status", "online"),
        ("message_id", "6f1c0a58-3f0e-4c51-9d0c-0a7f5c2f9a11"),
        ("source", "producer-1"),
        ("building", "A栋"),
        ("floor", "3"),
        ("room", "301"),
        ("model", "IoT-Sensor-v1.0"),
        ("firmware", "1.2.3"),
        ("battery", "92.0"),
        ("signal_strength", "-47.0"),
        ("temperature", "22.4"),
        ("temperature_unit", "°C"),
        ("temperature_status", "normal"),
        ("current", "2.5"),
        ("current_unit", "A"),
        ("current_status", "normal"),
        ("extra", extra),
    ]);
    assert_eq!(land(ENVELOPE), Landed::Reading(expected));
}

#[test]
fn envelope_alert() {
    let payload = concat!(
        r#"{"alert":{"alert_id":"a-17","device_id":"device_0042","alert_type":"threshold","severity":"critical","#,
        r#""title":"temperature high","message":"temperature 48.1 > 45","timestamp":1763650000123,"status":"active","#,
        r#""threshold":{"field":"temperature","operator":"gt","value":45,"unit":"°C"},"current_value":48.1},"#,
        r#""device_id":"device_0042","resolved":false}"#
    );
    let expected = row(&[
        ("event_time", "1763650000123000"),
        ("event_type", "alert"),
        ("message_id", "b0b4a6de-9a65-4f0d-8d29-0b3a8d2d7c10"),
        ("device_id", "device_0042"),
        ("source", "edge-gateway-7"),
        ("alert_id", "a-17"),
        ("alert_type", "threshold"),
        ("severity", "critical"),
        ("title", "temperature high"),
        ("message", "temperature 48.1 > 45"),
        ("status", "active"),
        ("priority", "10"),
        ("payload", payload),
    ]);
    assert_eq!(land(ENVELOPE_ALERT), Landed::Event(expected));
}

#[test]
fn flat() {
    let expected = row(&[
        ("format", "flat"),
        ("quality", "good"),
        ("event_time", "1763621200000000"),
        ("device_id", "device_0042"),
        ("device_type", "multi_sensor"),
        ("status", "online"),
        ("building", "A栋"),
        ("battery", "85.0"),
        ("temperature", "22.4"),
        ("humidity", "51.0"),
        ("pressure", "1013.2"),
    ]);
    assert_eq!(land(FLAT), Landed::Reading(expected));
}

#[test]
fn single() {
    let expected = row(&[
        ("format", "single"),
        ("quality", "good"),
        ("event_time", "1706610600000000"),
        ("device_id", "device_001"),
        ("device_type", "temperature_sensor"),
        ("status", "online"),
        ("building", "A栋"),
        ("floor", "3"),
        ("room", "301"),
        ("model", "IOT-TEMP-V2"),
        ("firmware", "1.2.3"),
        ("battery", "85.0"),
        ("temperature", "25.6"),
        ("temperature_unit", "°C"),
        ("temperature_status", "online"),
    ]);
    assert_eq!(land(SINGLE), Landed::Reading(expected));
}
