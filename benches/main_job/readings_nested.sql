SELECT
    epoch_ms("timestamp") AS event_time,
    device_id,
    location.building AS building,
    location.floor AS floor,
    location.room AS room,
    device_info.model AS model,
    device_info.firmware AS firmware,
    device_info.battery AS battery,
    device_info.signal_strength AS signal_strength,
    sensors.temperature.value AS temperature,
    sensors.temperature.status AS temperature_status,
    sensors.humidity.value AS humidity,
    sensors.humidity.status AS humidity_status,
    sensors.pressure.value AS pressure,
    sensors.pressure.status AS pressure_status,
    sensors.current.value AS current,
    sensors.current.status AS current_status,
    sensors.switch_status.value AS switch_status,
    sensors.switch_status.status AS switch_status_status,
    seq
FROM read_json('$FILES', format = 'newline_delimited', columns = {
    device_id: 'VARCHAR',
    "timestamp": 'BIGINT',
    location: 'STRUCT(building VARCHAR, floor INTEGER, room VARCHAR)',
    sensors: 'STRUCT(
        temperature STRUCT("value" DOUBLE, status VARCHAR),
        humidity STRUCT("value" DOUBLE, status VARCHAR),
        pressure STRUCT("value" DOUBLE, status VARCHAR),
        "current" STRUCT("value" DOUBLE, status VARCHAR),
        switch_status STRUCT("value" BOOLEAN, status VARCHAR))',
    device_info: 'STRUCT(model VARCHAR, firmware VARCHAR, battery DOUBLE, signal_strength DOUBLE)',
    seq: 'BIGINT'
})
