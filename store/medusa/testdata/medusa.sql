-- What the migrations of Medusa 2.21 leave behind, of the two tables that matter here.
CREATE TABLE api_key (
	id text PRIMARY KEY, token text NOT NULL, salt text NOT NULL, redacted text NOT NULL, title text NOT NULL,
	type text CHECK (type IN ('publishable', 'secret')) NOT NULL,
	last_used_at timestamptz NULL, created_by text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
	revoked_by text NULL, revoked_at timestamptz NULL, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz NULL
);
CREATE UNIQUE INDEX "IDX_api_key_token_unique" ON api_key (token);
CREATE TABLE publishable_api_key_sales_channel (
	publishable_key_id varchar(255) NOT NULL, sales_channel_id varchar(255) NOT NULL, id varchar(255) NOT NULL,
	created_at timestamptz(0) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at timestamptz(0) NOT NULL DEFAULT CURRENT_TIMESTAMP,
	deleted_at timestamptz(0) NULL, PRIMARY KEY (publishable_key_id, sales_channel_id)
);
