SELECT event_id, event_type, occurred_at
FROM "${database}".fct_events
WHERE user_id = ? AND occurred_at >= ?
ORDER BY occurred_at
