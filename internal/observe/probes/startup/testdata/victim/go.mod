module victim

go 1.20
