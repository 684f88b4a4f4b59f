package main

import (
	"cmp"
	"database/sql"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
)

type cart struct {
	ID           string    `json:"id"`
	SalesChannel string    `json:"sales_channel_id"`
	Region       string    `json:"region_id"`
	Currency     string    `json:"currency_code"`
	Items        []product `json:"items"`
	CreatedAt    string    `json:"created_at"`
}

// createCart answers POST /store/carts. A cart belongs to one sales channel of the key: the one
// that the body names, or the key's first.
func (s *shop) createCart(c echo.Context) error {
	in, err := s.read(c)
	if err != nil {
		return err
	}
	channel, region := in.text("sales_channel_id"), in.text("region_id")
	if err := in.err(); err != nil {
		return err
	}
	own := echoauth.Key(c).SalesChannelIDs
	if len(own) == 0 {
		return invalid("Publishable key needs to have a sales channel configured")
	}
	channel = cmp.Or(channel, own[0])
	if !slices.Contains(own, channel) {
		return answer(c, http.StatusBadRequest, foreignChannel(channel))
	}

	ctx := c.Request().Context()
	made := cart{SalesChannel: channel, Region: cmp.Or(region, "reg_eu"), Items: []product{}}
	made.ID, made.CreatedAt = newID("cart")
	err = s.db.QueryRowContext(ctx, `SELECT currency FROM shop_region WHERE id = $1`, made.Region).Scan(&made.Currency)
	if errors.Is(err, sql.ErrNoRows) {
		return &problem{http.StatusNotFound, "not_found", "There is no such region"}
	}
	if err != nil {
		return failed("find region", err)
	}
	if _, err := s.db.ExecContext(ctx, `INSERT INTO shop_cart (id, channel_id, region_id, created_at) VALUES ($1, $2, $3, $4)`,
		made.ID, made.SalesChannel, made.Region, made.CreatedAt); err != nil {
		return failed("create cart", err)
	}
	return answer(c, http.StatusOK, map[string]any{"cart": made})
}

// foreignChannel is Medusa's answer to a cart in a sales channel that is not the key's: the one
// fault that it tells in a form of its own.
func foreignChannel(id string) any {
	return struct {
		Errors  []string `json:"errors"`
		Message string   `json:"message"`
	}{
		[]string{"Sales channel ID in payload " + id + " is not associated with the Publishable API Key in the header."},
		"Provided request body contains errors. Please check the data and retry the request",
	}
}
