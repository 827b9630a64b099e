"""How are the results shown?

`figures` draws them; `page` puts claims, figures and tables on one HTML page.

Public: `anodiff.report.figures.drawing.draw` and `draw_run`, `anodiff.report.page.write_page`.
"""
