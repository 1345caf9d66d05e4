"""HTTP only: routers, schemas, one error table, security and pages."""
