package main

import (
	"database/sql"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
)

type product struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Handle   string `json:"handle"`
	Price    int64  `json:"price"` // in cents
	Currency string `json:"currency_code"`
}

// products answers GET /store/products: the products of the key's sales channels, or of those among
// them that are asked for (?sales_channel_id=…, as often as wanted).
func (s *shop) products(c echo.Context) error {
	channels, err := channelsOf(c)
	if err != nil {
		return err
	}
	in, args := among(channels)
	found, err := collect(c.Request().Context(), s.db, "list products", func(rows *sql.Rows, p *product) error {
		return rows.Scan(&p.ID, &p.Title, &p.Handle, &p.Price, &p.Currency)
	}, `SELECT id, title, handle, price, currency FROM shop_product
		WHERE id IN (SELECT product_id FROM shop_product_channel WHERE channel_id IN `+in+`) ORDER BY id`, args...)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, struct {
		Products []product `json:"products"`
		Count    int       `json:"count"`
	}{found, len(found)})
}

// channelsOf returns the sales channels that the request may see and asks for; at least one. The
// messages are Medusa's.
func channelsOf(c echo.Context) ([]string, error) {
	own := echoauth.Key(c).SalesChannelIDs
	if len(own) == 0 {
		return nil, invalid("Publishable key needs to have a sales channel configured")
	}
	const parameter = "sales_channel_id"
	var asked []string
	for name, values := range c.QueryParams() {
		switch {
		case name == parameter:
			asked = append(asked, values...)
		case strings.HasPrefix(name, parameter+"["): // x[]=a&x[]=b, x[0]=a&x[1]=b as Medusa's client writes it, x[]=a,b
			asked = append(asked, strings.Split(strings.Join(values, ","), ",")...)
		}
	}
	for _, id := range asked {
		if !slices.Contains(own, id) {
			return nil, invalid("Requested sales channel is not part of the publishable key")
		}
	}
	if len(asked) == 0 {
		asked = own
	}
	return asked, nil
}

type region struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Currency string `json:"currency_code"`
}

// regions answers GET /store/regions. Sales channels play no part in it.
func (s *shop) regions(c echo.Context) error {
	found, err := collect(c.Request().Context(), s.db, "list regions", func(rows *sql.Rows, r *region) error {
		return rows.Scan(&r.ID, &r.Name, &r.Currency)
	}, `SELECT id, name, currency FROM shop_region ORDER BY id`)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, struct {
		Regions []region `json:"regions"`
		Count   int      `json:"count"`
	}{found, len(found)})
}
