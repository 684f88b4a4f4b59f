package main

import (
	"database/sql"
	"math"
	"net/http"

	"github.com/labstack/echo/v4"

	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
)

type order struct {
	ID        string `json:"id"`
	Product   string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
	CreatedBy string `json:"created_by"` // the id of the key that placed it
	CreatedAt string `json:"created_at"`
}

// orders answers GET /api/orders: the newest hundred.
func (s *shop) orders(c echo.Context) error {
	found, err := collect(c.Request().Context(), s.db, "list orders", func(rows *sql.Rows, o *order) error {
		return rows.Scan(&o.ID, &o.Product, &o.Quantity, &o.CreatedBy, &o.CreatedAt)
	}, `SELECT id, product_id, quantity, created_by, created_at FROM shop_order ORDER BY id DESC LIMIT 100`)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, struct {
		Orders []order `json:"orders"`
		Count  int     `json:"count"`
	}{found, len(found)})
}

// createOrder answers POST /api/orders.
func (s *shop) createOrder(c echo.Context) error {
	in, err := s.read(c)
	if err != nil {
		return err
	}
	product := in.requiredText("product_id")
	quantity, given := in.number("quantity")
	if err := in.err(); err != nil {
		return err
	}
	if !given {
		quantity = 1
	}
	if quantity < 1 || quantity > 1000 || quantity != math.Trunc(quantity) {
		return invalid("Invalid request: quantity must be a whole number between 1 and 1000")
	}
	ctx := c.Request().Context()
	var known int
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM shop_product WHERE id = $1`, product).Scan(&known); err != nil {
		return failed("find product", err)
	}
	if known == 0 {
		return &problem{http.StatusNotFound, "not_found", "There is no such product"}
	}
	made := order{Product: product, Quantity: int64(quantity), CreatedBy: echoauth.Key(c).ID}
	made.ID, made.CreatedAt = newID("order")
	if _, err := s.db.ExecContext(ctx, `INSERT INTO shop_order (id, product_id, quantity, created_by, created_at) VALUES ($1, $2, $3, $4, $5)`,
		made.ID, made.Product, made.Quantity, made.CreatedBy, made.CreatedAt); err != nil {
		return failed("create order", err)
	}
	return answer(c, http.StatusCreated, map[string]any{"order": made})
}
