-- Indexes of tables that may be large. They are made while programs serve (internal/sqldb/index.go).
CREATE INDEX IF NOT EXISTS latchkey_key_description ON latchkey_key (description) WHERE description IS NOT NULL;
