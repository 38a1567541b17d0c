"""The Gradio theme: every colour and size is a variable of first.css, in the light and the dark theme alike."""

from __future__ import annotations

import gradio as gr

# Gradio's variable -> ours, which has a value in each theme of first.css.
_COLOURS = {
    "body_background_fill": "paper",
    "body_text_color": "ink",
    "body_text_color_subdued": "ink-soft",
    "background_fill_primary": "paper",
    "background_fill_secondary": "sheet",
    "border_color_primary": "rule",
    "border_color_accent": "accent",
    "color_accent": "accent",
    "color_accent_soft": "sheet",
    "link_text_color": "accent",
    "block_background_fill": "paper",
    "block_border_color": "rule",
    "block_label_text_color": "ink",
    "block_title_text_color": "ink",
    "block_info_text_color": "ink-soft",
    "input_background_fill": "sheet",
    "input_background_fill_focus": "sheet",
    "input_border_color": "rule-strong",
    "input_border_color_focus": "ink",
    "input_placeholder_color": "ink-soft",
    "slider_color": "ink",
    "button_primary_background_fill": "ink",
    "button_primary_background_fill_hover": "ink-hover",
    "button_primary_text_color": "paper",
    "button_primary_border_color": "ink",
    "button_primary_border_color_hover": "ink-hover",
    "button_primary_text_color_hover": "paper",
    "button_secondary_background_fill": "paper",
    "button_secondary_background_fill_hover": "sheet",
    "button_secondary_text_color": "ink",
    "button_secondary_border_color": "rule-strong",
    "button_secondary_border_color_hover": "ink",
    "button_secondary_text_color_hover": "ink",
}


def make_theme() -> gr.themes.Base:
    """A theme of our variables, with our fonts and relative sizes, so that the text size buttons act on everything."""
    sizes = gr.themes.Size(
        name="folio", xxs="0.75rem", xs="0.8125rem", sm="0.875rem", md="1rem", lg="1.125rem", xl="1.375rem", xxl="1.75rem"
    )
    theme = gr.themes.Base(font="var(--sans)", font_mono="var(--mono)", text_size=sizes, radius_size=gr.themes.sizes.radius_sm)
    settings = {name: f"var(--{ours})" for name, ours in _COLOURS.items()}
    settings |= {f"{name}_dark": value for name, value in settings.items() if name != "color_accent"}
    plain = {
        "block_border_width": "0px",
        "block_shadow": "none",
        "block_padding": "0",
        "input_border_width": "1px",
        "button_border_width": "1px",
    }
    plain |= {"block_label_border_width": "0px", "input_shadow": "none", "input_shadow_focus": "none", "button_primary_shadow": "none"}
    plain |= {"block_title_text_weight": "600", "input_padding": "0.625rem 0.75rem", "layout_gap": "1.25rem", "form_gap_width": "0px"}
    return theme.set(**settings, **plain)
