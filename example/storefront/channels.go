package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/admin"
)

// channel is a sales channel: the shop's own table, which the admin routes ask through ByID.
type channel struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	CreatedAt   string `json:"created_at"`
}

// listChannels answers GET /admin/sales-channels.
func (s *shop) listChannels(c echo.Context) error {
	found, err := collect(c.Request().Context(), s.db, "list channels", scanChannel,
		`SELECT id, name, description, created_at FROM shop_channel ORDER BY created_at, id`)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, struct {
		SalesChannels []channel `json:"sales_channels"`
		Count         int       `json:"count"`
	}{found, len(found)})
}

// createChannel answers POST /admin/sales-channels.
func (s *shop) createChannel(c echo.Context) error {
	in, err := s.read(c)
	if err != nil {
		return err
	}
	made := channel{Name: strings.TrimSpace(in.requiredText("name")), Description: in.text("description")}
	if err := in.err(); err != nil {
		return err
	}
	if made.Name == "" {
		return invalid("Invalid request: Field 'name' is required")
	}
	made.ID, made.CreatedAt = newID("sc")
	if _, err := s.db.ExecContext(c.Request().Context(), `INSERT INTO shop_channel (id, name, description, created_at) VALUES ($1, $2, $3, $4)`,
		made.ID, made.Name, made.Description, made.CreatedAt); err != nil {
		return failed("create channel", err)
	}
	return answer(c, http.StatusOK, map[string]any{"sales_channel": made})
}

// ByID is what the admin routes ask: it makes the shop an admin.SalesChannels, so that keys are
// linked to channels that exist and are shown with their names.
func (s *shop) ByID(ctx context.Context, ids []string) ([]admin.SalesChannel, error) {
	in, args := among(ids)
	found, err := collect(ctx, s.db, "find channels", scanChannel,
		`SELECT id, name, description, created_at FROM shop_channel WHERE id IN `+in, args...)
	if err != nil {
		return nil, err
	}
	channels := make([]admin.SalesChannel, len(found))
	for i, c := range found {
		at, err := time.Parse(time.RFC3339, c.CreatedAt)
		if err != nil {
			return nil, fmt.Errorf("shop: channel %s: %w", c.ID, err)
		}
		channels[i] = admin.SalesChannel{ID: c.ID, Name: c.Name, Description: c.Description, CreatedAt: at, UpdatedAt: at}
	}
	return channels, nil
}

func scanChannel(rows *sql.Rows, c *channel) error {
	return rows.Scan(&c.ID, &c.Name, &c.Description, &c.CreatedAt)
}
