"""Streamlit, as its documentation shows a table: `streamlit run` of this file."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pandas as pd
import streamlit as st

st.title("Orders")
with closing(sqlite3.connect(os.environ["KITS_FILE"])) as shop:
    st.dataframe(pd.read_sql_query("SELECT * FROM orders ORDER BY id", shop), hide_index=True)
