-- Run at every start, by every instance: each statement says what should be there. For SQLite and PostgreSQL alike; times are
-- ISO 8601 in UTC, prices whole cents.

CREATE TABLE IF NOT EXISTS shop_channel (
	id          TEXT PRIMARY KEY,
	name        TEXT NOT NULL,
	description TEXT NOT NULL DEFAULT '',
	created_at  TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS shop_product (
	id       TEXT PRIMARY KEY,
	title    TEXT NOT NULL,
	handle   TEXT NOT NULL UNIQUE,
	price    BIGINT NOT NULL,
	currency TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS shop_product_channel (
	product_id TEXT NOT NULL REFERENCES shop_product (id),
	channel_id TEXT NOT NULL REFERENCES shop_channel (id),
	PRIMARY KEY (product_id, channel_id)
);

CREATE TABLE IF NOT EXISTS shop_region (
	id       TEXT PRIMARY KEY,
	name     TEXT NOT NULL,
	currency TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS shop_cart (
	id         TEXT PRIMARY KEY,
	channel_id TEXT NOT NULL REFERENCES shop_channel (id),
	region_id  TEXT NOT NULL REFERENCES shop_region (id),
	created_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS shop_order (
	id         TEXT PRIMARY KEY,
	product_id TEXT NOT NULL REFERENCES shop_product (id),
	quantity   BIGINT NOT NULL,
	created_by TEXT NOT NULL,
	created_at TEXT NOT NULL
);

INSERT INTO shop_channel (id, name, description, created_at) VALUES
	('sc_default', 'Web shop', 'What everybody sees', '2026-01-01T00:00:00.000Z'),
	('sc_wholesale', 'Wholesale', 'For resellers', '2026-01-01T00:00:00.000Z')
ON CONFLICT DO NOTHING;

INSERT INTO shop_product (id, title, handle, price, currency) VALUES
	('prod_mug', 'Enamel mug', 'enamel-mug', 1450, 'eur'),
	('prod_apron', 'Linen apron', 'linen-apron', 3900, 'eur'),
	('prod_beans', 'Coffee beans, 1 kg', 'coffee-beans', 2200, 'eur'),
	('prod_crate', 'Crate of 48 mugs', 'crate-of-mugs', 48000, 'eur')
ON CONFLICT DO NOTHING;

INSERT INTO shop_product_channel (product_id, channel_id) VALUES
	('prod_mug', 'sc_default'),
	('prod_apron', 'sc_default'),
	('prod_beans', 'sc_default'),
	('prod_beans', 'sc_wholesale'),
	('prod_crate', 'sc_wholesale')
ON CONFLICT DO NOTHING;

INSERT INTO shop_region (id, name, currency) VALUES
	('reg_eu', 'Europe', 'eur'),
	('reg_us', 'United States', 'usd')
ON CONFLICT DO NOTHING;
